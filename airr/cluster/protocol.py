"""What the executor asks of a scheduler: submit an array, look at all of it, cancel it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

TaskId = tuple[str, int]
"""An array's name, and a task's index."""


class TaskState(StrEnum):
    """What a scheduler knows of one array task."""

    PENDING = "pending"
    """Queued, or held back behind its twin."""
    RUNNING = "running"
    """On a node, in whatever phase."""
    COMPLETED = "completed"
    """Left the cluster with exit status 0."""
    FAILED = "failed"
    """Left the cluster with another exit status."""
    NODE_FAIL = "node_fail"
    PREEMPTED = "preempted"
    TIMEOUT = "timeout"
    OOM = "oom"
    CANCELLED = "cancelled"
    UNSATISFIABLE = "unsatisfiable"
    """Pending for a reason that no waiting can mend."""
    GONE = "gone"
    """Not in the queue, and no accounting says what became of it."""


LIVE = frozenset({TaskState.PENDING, TaskState.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """One array task as the scheduler sees it. `job_id` is "" where none was ever given."""

    state: TaskState
    job_id: str = ""
    node: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobArray:
    """Tasks `indices`, each running `command` with its index appended.

    `name` is unique for ever: it is written to disk before `submit`, is how the array is found
    again, and two arrays of one name never run side by side. `folder` holds the logs.
    A task takes `nodes` whole or in part: `gpus`, `cpus` and `memory_gb` are those of each.
    `seconds` is its whole time limit.
    """

    name: str
    folder: Path
    indices: tuple[int, ...]
    command: tuple[str, ...]
    nodes: int
    gpus: int
    cpus: int
    memory_gb: float
    seconds: float
    exclude_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a submission would be. `script` is "" where none is written.

    `at_once` is how many tasks may run side by side; None leaves that to the scheduler.
    """

    script: str
    verdict: str
    at_once: int | None


class SubmissionUnknown(Exception):
    """The scheduler's answer was lost: the array may or may not be queued. Look before acting."""


class SubmissionLimited(Exception):
    """The scheduler holds as many jobs of this user as it may: submit fewer, or later."""


class Cluster(Protocol):
    """A scheduler. Every call may be repeated; none of them reads or writes the ledger."""

    @property
    def place(self) -> str:
        """Return where jobs will run, in the words of a person."""
        ...

    @property
    def complaint(self) -> str:
        """Return what the scheduler last said instead of an answer, "" if nothing."""
        ...

    async def submit(self, array: JobArray) -> None:
        """Queue an array, at most once at a time by its name.

        Raises:
            SubmissionUnknown: no answer came; `survey` will tell.
            SubmissionLimited: nothing was queued, since a limit on queued tasks is reached.
            ClusterError: the scheduler refused, and will refuse again.
        """
        ...

    async def preview(self, array: JobArray) -> Preview:
        """Return what `submit` would do with an array, and do nothing of it."""
        ...

    async def survey(
        self, arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]] | None:
        """Return every task of these arrays by (name, index), in one query for all of them.

        A task that the scheduler does not know is `GONE`. None means that the scheduler did not
        answer: nothing may be concluded from it.
        """
        ...

    async def cancel(self, arrays: Collection[JobArray]) -> None:
        """End every task of these arrays, and no other job."""
        ...

    async def end_head(self, job_name: str) -> None:
        """End the jobs of this name, which run a head: calmly first, as Ctrl-C would.

        Raises:
            ClusterError: this scheduler has no such jobs, or did not answer.
        """
        ...

    async def cancel_duplicates(self) -> tuple[str, ...]:
        """End the arrays that the last survey saw beside an elder twin; return their job ids."""
        ...

    async def largest_array(self) -> int | None:
        """Return what every index must stay below, or None where the scheduler did not answer."""
        ...

    async def close(self) -> Collection[TaskId]:
        """Let go of what lives and dies with this head; jobs of a real scheduler go on.

        Return the tasks that were queued or running, and have ended with it.
        """
        ...
