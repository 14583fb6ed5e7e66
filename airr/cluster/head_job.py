"""A head that is itself a Slurm job: its name, its successor in the queue, and their end.

Jobs of one name are one chain: `singleton` lets a single one of them run at a time, so that the
name is the mutex and the way to find a successor again, whatever became of sbatch's answer.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airr.cluster.command import Answer, run_command
from airr.cluster.printed import fields_in
from airr.errors import ClusterError

COMMAND_SECONDS = 120
NAME = "airr-head"
"""The job's name in sbatch/head.sbatch, until it knows its campaign."""

CARRIED = {
    "Partition": "partition",
    "Account": "account",
    "QOS": "qos",
    "TimeLimit": "time",
    "CPUs/Task": "cpus-per-task",
    "MinMemoryNode": "mem",
    "MinMemoryCPU": "mem-per-cpu",
    "Features": "constraint",
    "Reservation": "reservation",
    "ExcNodeList": "exclude",
}
"""What `scontrol show job` says -> the option that gives a successor the same."""

SCHEDULERS_OWN = re.compile("SLURM_(?!CONF$)|SLURMD_|SBATCH_|PMI")
"""Variables of a job that would bend the submission of the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The ids of the other jobs of a head's name."""

    running: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadJob:
    """The Slurm job that this process is. `script` and `arguments` are what sbatch was given."""

    job_id: str
    name: str
    script: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    async def take_name(self) -> None:
        """Give this job the name of its chain.

        Raises:
            ClusterError: Slurm did not do it.
        """
        await self._must("scontrol", "update", f"JobId={self.job_id}", f"JobName={self.name}")

    async def queue(self) -> Queue:
        """Return who else is in the queue under this name.

        Raises:
            ClusterError: Slurm did not answer.
        """
        listed = await self._must(
            *("squeue", "--noheader", f"--user={os.getuid()}", f"--name={self.name}"),
            *("--states=PENDING,RUNNING", "--format=%i|%T"),
        )
        return parse_queue(listed, self.job_id)

    async def queue_successor(self) -> None:
        """Submit the next job of the chain, asked for as this one was.

        Raises:
            ClusterError: sbatch failed; the successor may be queued all the same.
        """
        shown = await self._must("scontrol", "show", "job", self.job_id)
        options = {
            "job-name": self.name,
            "dependency": "singleton",
            "open-mode": "append",
            **carried_options(shown),
        }
        flags = (f"--{option}={value}" for option, value in options.items())
        await self._must("sbatch", "--parsable", *flags, self.script, *self.arguments)

    async def cancel_successors(self) -> None:
        """Take what waits under this name off the queue.

        Raises:
            ClusterError: Slurm did not do it.
        """
        mine = f"--user={os.getuid()}"
        await self._must("scancel", "--quiet", mine, f"--name={self.name}", "--state=PENDING")

    async def _must(self, *argv: str) -> str:
        answer = await self._run(argv)
        if not answer.succeeded:
            raise ClusterError(f"{argv[0]}: {answer.complaint}")
        return answer.stdout

    async def _run(self, argv: Sequence[str]) -> Answer:
        clean = {k: v for k, v in self.environment.items() if not SCHEDULERS_OWN.match(k)}
        return await run_command(argv, environment=clean, seconds=COMMAND_SECONDS)


def name_of_heads(campaigns: Sequence[Path]) -> str:
    """Return the name that all heads of these campaigns have, and no head of others."""
    places = sorted(str(folder.absolute()) for folder in campaigns)
    digest = hashlib.sha256("\n".join(places).encode()).hexdigest()[:6]
    what = campaigns[0].name if len(campaigns) == 1 else f"{len(campaigns)}-campaigns"
    return f"{NAME}-{what}-{digest}"


def parse_queue(text: str, own_id: str) -> Queue:
    """Return the other jobs in squeue's answer of `id|state` lines; other lines are left out."""
    rows = (line.strip().partition("|") for line in text.splitlines())
    others = [(job_id, state) for job_id, _, state in rows if job_id != own_id]
    return Queue(
        running=tuple(job_id for job_id, state in others if state == "RUNNING"),
        waiting=tuple(job_id for job_id, state in others if state == "PENDING"),
    )


def carried_options(shown: str) -> dict[str, str]:
    """Return the sbatch options that ask for what a job has, from `scontrol show job`."""
    fields = fields_in(shown)
    options = {option: fields.get(field, "") for field, option in CARRIED.items()}
    lines = (line.strip().partition("StdOut=") for line in shown.splitlines())
    logs = (path for before, named, path in lines if named and not before)  # it may hold blanks
    options["output"] = next(logs, "").replace("%", "%%")
    unset = {"", "(null)", "N/A", "0"}
    return {option: value for option, value in options.items() if value not in unset}
