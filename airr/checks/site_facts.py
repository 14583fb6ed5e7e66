"""What scontrol, sinfo, sacctmgr and sbatch print of a site -> records. Pure.

The fields are those that every Slurm since 21.08 prints; what a newer one adds is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from airr.cluster.printed import fields_in, number_in, settings_in
from airr.errors import ClusterError

VERSION = re.compile(r"slurm(?:-\w+)? (\d{1,4})\.(\d{1,4})\S*")
GRES = re.compile(
    r"(?:^|,)(?P<name>\w+)(?::(?P<kind>[\w.-]+))?:(?P<count>\d{1,9})(?:\([^()]*\))?(?=,|$)"
)
TIME = re.compile(r"(?:(\d{1,9})-)?(\d{1,9}):(\d{1,9}):(\d{1,9})")

NODE_FORMAT = "%R|%N|%T|%c|%m|%G"
"""For `sinfo --Node`: partition, node, state, CPUs, memory in MB, generic resources."""

CONTROLLER_FACTS = (
    "ClusterName",
    "MaxArraySize",
    "AccountingStorageType",
    "MinJobAge",
    "PreemptType",
    "PreemptMode",
)
PARTITION_FACTS = {"PartitionName", "State", "MaxTime", "PreemptMode"}
TAKES_JOBS = frozenset({"idle", "mixed", "allocated", "completing", "planned", "reserved"})
"""States, without the signs behind them, from which a node comes back to the queue by itself."""
SILENT = "*"
"""The sign of a node that does not answer the controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """What `scontrol show config` says."""

    cluster: str
    largest_array: int
    has_accounting: bool
    remembers_seconds: int
    """For how long the controller itself knows a job that has ended (MinJobAge)."""
    preempts: bool
    preempt_mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition. `max_minutes` of None is no limit."""

    name: str
    is_default: bool
    state: str
    max_minutes: float | None
    preempt_mode: str
    qos: str
    """Whose limits hold for every job in it; "" is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node as a member of one partition. `gres` is as sinfo writes it."""

    partition: str
    name: str
    state: str
    cpus: int
    memory_mb: int
    gres: str

    @property
    def takes_jobs(self) -> bool:
        """Tell whether jobs may start here, now or once others have ended."""
        return self.state.rstrip("*~#!%$@^-+") in TAKES_JOBS and SILENT not in self.state

    def gpus(self, resource: str) -> int:
        """Return how many of a resource it has: of `gpu` all, of `gpu:h100` those of the type."""
        name, _, kind = resource.partition(":")
        return sum(
            int(entry["count"])
            for entry in GRES.finditer(self.gres)
            if entry["name"] == name and kind in {"", entry["kind"]}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What one account lets this user do. A `max_submit` of None is no limit."""

    account: str
    max_submit: int | None
    default_qos: str


def parse_version(text: str) -> tuple[int, int] | None:
    """Return the release in the answer to `sbatch --version`, as in (22, 5)."""
    found = VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else None


def parse_controller(text: str) -> Controller:
    """Return the facts in the answer to `scontrol show config`.

    Raises:
        ClusterError: it lacks one of them.
    """
    facts = settings_in(text)
    largest = number_in(facts.get("MaxArraySize", ""))
    remembered = number_in(facts.get("MinJobAge", "").partition(" ")[0])
    missing = [name for name in CONTROLLER_FACTS if not facts.get(name)]
    if missing or largest is None or remembered is None:
        raise ClusterError(
            "`scontrol show config` does not say "
            f"{', '.join(missing) or 'MaxArraySize and MinJobAge as numbers'}: "
            "is it Slurm's own scontrol that stands on PATH?"
        )
    return Controller(
        cluster=facts["ClusterName"],
        largest_array=largest,
        has_accounting=facts["AccountingStorageType"].endswith("/slurmdbd"),
        remembers_seconds=remembered,
        preempts=not facts["PreemptType"].endswith("/none"),
        preempt_mode=facts["PreemptMode"],
    )


def parse_partitions(text: str) -> tuple[Partition, ...]:
    """Return what stands in the answer to `scontrol --all --oneliner show partition`."""
    lines = map(fields_in, text.splitlines())
    return tuple(
        Partition(
            name=fields["PartitionName"],
            is_default=fields.get("Default") == "YES",
            state=fields["State"],
            max_minutes=parse_minutes(fields["MaxTime"]),
            preempt_mode=fields["PreemptMode"],
            qos="" if fields.get("QoS") == "N/A" else fields.get("QoS", ""),
        )
        for fields in lines
        if fields.keys() >= PARTITION_FACTS
    )


def parse_nodes(text: str) -> tuple[Node, ...]:
    """Return what stands in sinfo's answer in `NODE_FORMAT`; other lines are left out."""
    lines = (line.split("|", 5) for line in text.splitlines())
    nodes = (_node(line) for line in lines if len(line) == 6)
    return tuple(node for node in nodes if node is not None)


def _node(line: Sequence[str]) -> Node | None:
    partition, name, state, cpus, memory, gres = (field.strip() for field in line)
    counted, megabytes = number_in(cpus.rstrip("+")), number_in(memory.rstrip("+"))
    if counted is None or megabytes is None:
        return None
    return Node(
        partition=partition,
        name=name,
        state=state,
        cpus=counted,
        memory_mb=megabytes,
        gres=gres,
    )


def parse_associations(text: str) -> tuple[Association, ...]:
    """Return sacctmgr's lines `account|limit|default QOS`, one for each account of a user."""
    lines = (line.split("|") for line in text.splitlines())
    return tuple(
        Association(account=line[0], max_submit=number_in(line[1]), default_qos=line[2])
        for line in lines
        if len(line) >= 3
    )


def parse_qos_limits(text: str) -> dict[str, int]:
    """Return `name|limit` lines of sacctmgr as a mapping; a QOS without a limit is left out."""
    lines = (line.split("|") for line in text.splitlines() if "|" in line)
    return {line[0]: limit for line in lines if (limit := number_in(line[1])) is not None}


def parse_minutes(text: str) -> float | None:
    """Return a time of Slurm's, `[days-]hours:minutes:seconds`, in minutes; None is no limit."""
    found = TIME.fullmatch(text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * 1440 + hours * 60 + minutes + seconds / 60


def names(items: Sequence[Partition | Node]) -> str:
    """Return the names of partitions or nodes as a list in words, long ones cut short."""
    listed = [item.name for item in items]
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
