"""One look at Slurm's queue for people: what runs where, what waits for what, and until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from airr.cluster.command import run_command
from airr.cluster.job_environment import job_environment

# %j name, %T state, %N nodes, %S (expected) start, %r reason: free text comes last
FORMAT = "%j|%T|%N|%S|%r"
LIVE = "PENDING,RUNNING,CONFIGURING,COMPLETING,SUSPENDED"

REASONS = {
    "Priority": "others come first",
    "Resources": "next, once nodes are free",
    "JobArrayTaskLimit": "held back by cluster.max_nodes",
    "Dependency": "behind an elder job of the same name",
    "BeginTime": "not before their begin time",
    "JobHeldUser": "held by you: scontrol release",
    "JobHeldAdmin": "held by an admin",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition is closed",
    "Reservation": "for their reservation to begin",
}
"""Slurm's words for why a job waits, in ours. What is not listed is shown as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """One array task in the queue. `start` is the expected one where it waits, if Slurm has it."""

    name: str
    is_waiting: bool
    nodes: str
    start: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The queue's answer, or why there is none."""

    tasks: Sequence[Queued] = ()
    silence: str = ""

    def of(self, names: Iterable[str]) -> Sequence[Queued]:
        """Return the tasks of the arrays of these names."""
        wanted = frozenset(names)
        return [task for task in self.tasks if task.name in wanted]


async def look_at_queue(
    names: Sequence[str], users: Iterable[int], environment: Mapping[str, str], seconds: float
) -> Glance:
    """Ask squeue once for all arrays of these names, and wait no longer than `seconds`."""
    answer = await run_command(
        (
            *("squeue", "--noheader", "--array", f"--states={LIVE}", f"--format={FORMAT}"),
            f"--user={','.join(map(str, sorted(users)))}",
            f"--name={','.join(sorted(names))}",
        ),
        environment=job_environment(environment),
        seconds=seconds,
    )
    if not answer.succeeded:
        return Glance(silence=answer.complaint)
    return Glance(tasks=parse_queue(answer.stdout))


def parse_queue(text: str) -> tuple[Queued, ...]:
    """Return the tasks of an answer; a line of another shape is none of ours and is left out."""
    lines = (line.split("|", 4) for line in text.splitlines())
    return tuple(_queued(fields) for fields in lines if len(fields) == 5)


def _queued(fields: Sequence[str]) -> Queued:
    name, word, nodes, start, reason = (field.strip() for field in fields)
    return Queued(
        name=name,
        is_waiting=word == "PENDING",
        nodes=nodes,
        start=_time(start),
        reason=reason,
    )


def _time(text: str) -> datetime | None:
    """Return a time of Slurm's, which is local; N/A is none, nor what no calendar here can say."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return None


def describe(tasks: Sequence[Queued]) -> str:
    """Return on one line what runs where, and what waits for what."""
    waiting = [task for task in tasks if task.is_waiting]
    nodes = sorted({task.nodes for task in tasks if not task.is_waiting and task.nodes})
    parts = [f"{len(tasks) - len(waiting)} running" + (f" on {', '.join(nodes)}" if nodes else "")]
    reasons = Counter(REASONS.get(task.reason, task.reason) for task in waiting)
    said = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    parts.append(f"{len(waiting)} waiting" + (f" ({said})" if said else ""))
    if starts := [task.start for task in waiting if task.start]:
        parts.append(f"the next to start about {min(starts):%Y-%m-%d %H:%M}")
    return "; ".join(parts)
