"""The Slurm backend: arrays go out through submitit, and are found again by their names alone.

One squeue for a whole campaign on each survey; one sacct at most, where accounting exists, for
tasks that squeue has forgotten; one sbatch for an array; one squeue and one scancel for a
cancellation. Nothing here is kept on disk: a head that starts anew asks Slurm again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airr.cluster.command import Answer, run_command
from airr.cluster.job_environment import job_environment
from airr.cluster.printed import number_in, settings_in
from airr.cluster.protocol import (
    JobArray,
    Preview,
    SubmissionUnknown,
    TaskId,
    TaskState,
    TaskStatus,
)
from airr.cluster.sacct import ENVIRONMENT, parse_sacct, sacct_command
from airr.cluster.sbatch import refusal, script_command, script_options, verdict_on, width
from airr.cluster.slurm_settings import SlurmSettings
from airr.cluster.slurm_states import Row, spell_out
from airr.cluster.squeue import ids_of, live_command, parse_squeue, squeue_command
from airr.cluster.submission import ArrayExecutor, Request, complaint_in
from airr.cluster.twins import split_twins
from airr.errors import ClusterError

SBATCH_SECONDS = 120  # a controller under load answers late, and sbatch itself retries
QUERY_SECONDS = 60
HEAD_SECONDS = 20  # for a head that was interrupted to put its books away
SACCT_TRIES = 5  # accounting lags; after so many surveys it will not know either

GONE = TaskStatus(state=TaskState.GONE, detail="neither the queue nor accounting knows it")

RowId = tuple[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What `scontrol show config` says, once a process."""

    largest_array: int
    has_accounting: bool


class Slurm:
    """A `Cluster` that is a Slurm cluster, seen from a node where sbatch works."""

    def __init__(self, settings: SlurmSettings, environment: Mapping[str, str]) -> None:
        """Use the commands on PATH. `environment` is that of the head, keys and all.

        Raises:
            ClusterError: sbatch is not on PATH.
        """
        if not shutil.which("sbatch", path=environment.get("PATH")):
            raise ClusterError("cluster=slurm needs sbatch on PATH: log in to a submit node")
        self._settings = settings
        self._query_environment = job_environment(environment)
        self._job_environment = job_environment(environment, settings.pass_env)
        self._user = os.getuid()
        self._site: Site | None = None
        self._ended: dict[RowId, Row] = {}
        self._tries: Counter[tuple[str, int]] = Counter()
        self._duplicates: Sequence[str] = ()
        self._complaint = ""

    @property
    def complaint(self) -> str:
        """Return what one of Slurm's commands last said instead of an answer."""
        return self._complaint

    @property
    def place(self) -> str:
        """Return which part of the cluster is asked."""
        return f"partition {self._settings.partition or 'by default'}"

    async def submit(self, array: JobArray) -> None:
        """Queue an array through submitit, in a process without the head's secrets."""
        answer = await run_command(
            (sys.executable, "-m", "airr.cluster.submission"),
            environment=self._job_environment,
            seconds=SBATCH_SECONDS,
            stdin=self._request(array).to_json(),
        )
        if not answer.succeeded:
            raise SubmissionUnknown(f"{array.name}: {answer.complaint}")
        try:
            complaint = complaint_in(answer.stdout)
        except ValueError as error:
            raise SubmissionUnknown(f"{array.name}: {error}") from error
        if complaint is not None:
            raise refusal(array.name, " / ".join(complaint.splitlines()))

    def script(self, array: JobArray) -> str:
        """Return the very script that `submit` would submit."""
        return ArrayExecutor(self._request(array)).script()

    async def preview(self, array: JobArray) -> Preview:
        """Return the script, and what `sbatch --test-only` says of it."""
        script = self.script(array)
        answer = await run_command(
            ("sbatch", "--test-only"),
            environment=self._job_environment,
            seconds=QUERY_SECONDS,
            stdin=script,
        )
        return Preview(
            script=script,
            verdict=verdict_on(array.name, answer),
            at_once=width(array, self._settings) if self._settings.max_nodes else None,
        )

    async def largest_array(self) -> int | None:
        """Return the site's MaxArraySize, below which every index lies."""
        site = await self._facts()
        return site.largest_array if site else None

    async def survey(
        self, arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]] | None:
        """Return every task, from one squeue, and one sacct for what it has forgotten."""
        if not arrays:
            return {}
        queue = await self._query(squeue_command((a.name for a in arrays), self._user))
        if not queue.succeeded:
            return None
        known = self._ended | _by_task(parse_squeue(queue.stdout), arrays)
        if forgotten := self._forgotten(known.values(), arrays):
            known = _by_task(await self._account_for(forgotten), arrays) | known
        names = {array.name for array in arrays}
        self._ended = {t: r for t, r in known.items() if r.name in names and not r.is_live}
        return self._settle(known.values(), arrays)

    async def cancel_duplicates(self) -> tuple[str, ...]:
        """End the arrays that the last survey saw beside their elder twins; return their ids."""
        duplicates, self._duplicates = tuple(self._duplicates), ()
        await self._scancel(duplicates)
        return duplicates

    async def cancel(self, arrays: Collection[JobArray]) -> None:
        """End every task of these arrays, duplicates included.

        Raises:
            ClusterError: the scheduler did not answer, or would not let go.
        """
        wanted = {array.name: frozenset(array.indices) for array in arrays}
        if not wanted:
            return
        # scancel also fails for what ended of itself meanwhile: only a second look can tell
        complaint = await self._scancel(ids_of(await self._live(wanted), wanted))
        if complaint and (left := ids_of(await self._live(wanted), wanted)):
            raise ClusterError(f"scancel left jobs {', '.join(left)} behind: {complaint}")

    async def end_head(self, job_name: str) -> None:
        """Cancel what waits to follow the job that runs, and interrupt that one, or end it.

        In this order: a successor that still waited would start at the end of the first.

        Raises:
            ClusterError: the scheduler did not answer.
        """
        ours = ("scancel", "--quiet", f"--user={self._user}", f"--name={job_name}")
        deadline = time.monotonic() + HEAD_SECONDS
        interrupted: set[str] = set()
        while left := {row.job_id: row for row in await self._live({job_name})}:
            await self._query((*ours, "--state=PENDING"))
            for job_id in left.keys() - interrupted:
                await self._query(("scancel", "--quiet", "--full", "--signal=INT", job_id))
            interrupted |= left.keys()
            if time.monotonic() > deadline:
                await self._scancel(sorted(left))
            await asyncio.sleep(1)

    async def close(self) -> tuple[TaskId, ...]:
        """Do nothing: the jobs go on, and the next head finds them by name."""
        return ()

    def _request(self, array: JobArray) -> Request:
        return Request(
            folder=str(array.folder),
            command=script_command(array),
            options=script_options(array, self._settings),
            setup=self._settings.setup,
        )

    def _forgotten(self, rows: Iterable[Row], arrays: Collection[JobArray]) -> set[str]:
        """Return the arrays with tasks of which nothing is known, while asking may still help."""
        known = {(row.name, row.index) for row in rows}
        absent = {(a.name, index) for a in arrays for index in a.indices} - known
        self._tries.update(absent)
        return {name for name, index in absent if self._tries[name, index] <= SACCT_TRIES}

    async def _account_for(self, names: Collection[str]) -> Sequence[Row]:
        """Return what accounting knows of these arrays: nothing, where it is absent or silent."""
        site = await self._facts()
        if not site or not site.has_accounting:
            return ()
        answer = await self._query(sacct_command(names, self._user))
        return parse_sacct(answer.stdout) if answer.succeeded else ()

    def _settle(
        self, rows: Iterable[Row], arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]]:
        """Return every task's status by name and index, and note what is there twice."""
        by_name: dict[str, list[Row]] = {array.name: [] for array in arrays}
        for row in rows:
            if row.name in by_name:
                by_name[row.name].append(row)
        twins = {name: split_twins(found) for name, found in by_name.items()}
        self._duplicates = [job_id for _, others in twins.values() for job_id in others]
        found = {name: {row.index: row for row in kept} for name, (kept, _) in twins.items()}
        return {
            array.name: {
                index: row.status() if (row := found[array.name].get(index)) else GONE
                for index in array.indices
            }
            for array in arrays
        }

    async def _live(self, names: Collection[str]) -> Sequence[Row]:
        """Return what waits or runs under these names."""
        answer = await self._query(live_command(names, self._user))
        if not answer.succeeded:
            raise ClusterError(f"squeue does not answer, nothing is cancelled: {answer.complaint}")
        return parse_squeue(answer.stdout)

    async def _scancel(self, job_ids: Sequence[str]) -> str:
        """Cancel jobs of this user, and return what scancel complained of."""
        if not job_ids:
            return ""
        answer = await self._query(("scancel", "--quiet", f"--user={self._user}", *job_ids))
        return "" if answer.succeeded else answer.complaint

    async def _facts(self) -> Site | None:
        """Return the site's facts, asked for until the controller has answered once."""
        if not self._site:
            answer = await self._query(("scontrol", "show", "config"))
            self._site = parse_site(answer.stdout) if answer.succeeded else None
            if answer.succeeded and not self._site:
                self._complaint = "scontrol show config does not say what it should"
        return self._site

    async def _query(self, argv: Sequence[str]) -> Answer:
        answer = await run_command(
            argv, environment=self._query_environment | ENVIRONMENT, seconds=QUERY_SECONDS
        )
        if not answer.succeeded:
            self._complaint = f"{argv[0]}: {answer.complaint}"
        return answer


def parse_site(text: str) -> Site | None:
    """Return the facts that stand in the answer to `scontrol show config`, None if they do not."""
    facts = settings_in(text)
    largest = number_in(facts.get("MaxArraySize", ""))
    if largest is None:
        return None
    accounting = facts.get("AccountingStorageType", "")
    return Site(largest_array=largest, has_accounting=accounting.endswith("/slurmdbd"))


def _by_task(rows: Collection[Row], arrays: Collection[JobArray]) -> dict[RowId, Row]:
    """Return the rows of these arrays by job id and index."""
    return {
        (row.job_id, row.index): row
        for array in arrays
        for row in spell_out([row for row in rows if row.name == array.name], array.indices)
    }
