"""`python -m airr.relay SCRIPT ARGUMENTS`: a head as a Slurm job, which hands over to the next.

What sbatch/head.sbatch runs. A successor stands in the queue from the start; `python -m
airr.evolve ARGUMENTS` runs as a child, and is stopped as calmly as by Ctrl-C when the time limit
draws near. The end of the campaign or of its budget, or a mistake that no successor would mend,
takes the successor off the queue.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airr.cluster.head_job import HeadJob, name_of_heads
from airr.composition import compositions
from airr.errors import AirrError, ClusterError, ConfigError
from airr.flags import asked_by
from airr.lease import PULSE_SECONDS, STALE_SECONDS, holder_of
from airr.legs import Leg, end_leg, goes_in_circles, progress_of, read_legs, write_legs
from airr.verb import BUDGET_SPENT, errors_told, resolve_auto
from airr.workspace import Workspace

COMPLETE, MISTAKE = 0, 2
"""Exit statuses of `airr.evolve` after which there is nothing for a successor to do."""
RETRY_SECONDS = 60.0
LAST_SECONDS = 240.0
"""How long a head that has ended tries to leave a successor: below the warning's 300 s."""
LEASE_SECONDS = STALE_SECONDS + 2 * PULSE_SECONDS
"""How long the lease of a head that died on another node may outlive it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """One leg: this job, the campaigns that it is the head of, and the record of its chain."""

    job: HeadJob
    campaigns: Sequence[Workspace]
    record: Path

    async def run(self, *, is_first: bool) -> int:
        """Run the head until it ends or is told to, and return this job's exit status.

        Raises:
            AirrError: another head job is at work, or the last ones came to nothing.
        """
        await self._refuse_a_second_head()
        await self._begin_leg(is_first=is_first)
        successor = asyncio.create_task(self._ensure_successor())
        await self._wait_for_the_lease()
        status, was_stopped = await self._run_head()
        if status in {COMPLETE, MISTAKE, BUDGET_SPENT}:
            successor.cancel()
            await self._end_chain()
            return status
        end_leg(self.record, time.time())
        await asyncio.wait([successor], timeout=LAST_SECONDS)
        say("stopped; the successor goes on" if was_stopped else f"the head ended with {status}")
        return COMPLETE if was_stopped else 1

    async def _refuse_a_second_head(self) -> None:
        try:
            running = (await self.job.queue()).running
        except ClusterError as error:
            say(f"nobody knows whether another head runs; the lease will tell: {error}")
            return
        if running:
            raise AirrError(
                f"job {', '.join(running)} is the head of this campaign already: wait for it, or "
                f"end it with scancel --name={self.job.name}"
            )

    async def _begin_leg(self, *, is_first: bool) -> None:
        past = () if is_first else read_legs(self.record)
        leg = Leg(
            job_id=self.job.job_id,
            started_at=time.time(),
            progress=progress_of(self.campaigns),
        )
        if goes_in_circles(past, leg):
            await self._end_chain()
            jobs = ", ".join(leg.job_id for leg in past)
            raise AirrError(
                f"the last heads (jobs {jobs}) ended soon and came to nothing: this chain ends "
                "here. What they said stands in this log; once it is mended, submit it again"
            )
        write_legs(self.record, [*past, leg])

    async def _ensure_successor(self) -> None:
        """Queue a successor unless one waits; while Slurm refuses, the head runs without one."""
        while True:
            try:
                await self.job.take_name()
                if not (await self.job.queue()).waiting:
                    await self.job.queue_successor()
            except ClusterError as error:
                say(f"no successor could be queued yet: {error}")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _end_chain(self) -> None:
        """Forget the legs until now, and take the successor off the queue."""
        self.record.unlink(missing_ok=True)
        try:
            await self.job.cancel_successors()
        except ClusterError as error:
            say(f"a successor may still be queued, and will find nothing to do: {error}")

    async def _wait_for_the_lease(self) -> None:
        """Give a dead predecessor's lease time to go stale; evolve judges what is left of it."""
        deadline = time.monotonic() + LEASE_SECONDS
        while any(holder_of(one.lease) for one in self.campaigns) and time.monotonic() < deadline:
            await asyncio.sleep(1)

    async def _run_head(self) -> tuple[int, bool]:
        """Return the exit status of the head, and whether it was told to stop."""
        head = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "airr.evolve", *self.job.arguments),
            stdin=asyncio.subprocess.DEVNULL,
            env={**self.job.environment, "SLURM_JOB_NAME": self.job.name},
        )
        told: list[signal.Signals] = []

        def stop(warning: signal.Signals) -> None:
            told.append(warning)
            say(f"{warning.name}: the head stops, its jobs go on")
            head.terminate()

        loop = asyncio.get_running_loop()
        for warning in (signal.SIGUSR1, signal.SIGTERM):
            loop.add_signal_handler(warning, functools.partial(stop, warning))
        return await head.wait(), bool(told)


def main() -> int:
    """Run this job's leg; see the module."""
    script, *arguments = sys.argv[1:]
    if "SLURM_JOB_ID" not in os.environ:
        raise ConfigError("this is for sbatch/head.sbatch alone: sbatch sbatch/head.sbatch ...")
    asked = asked_by(arguments)
    settings = resolve_auto(asked.settings, ("llm", "cluster"))
    raws = compositions("evolve", settings, multirun=asked.multirun)
    if any(raw["once"] for raw in raws):
        raise ConfigError("once=true is for cron: a head job takes turn after turn, leave it out")
    campaigns = [Workspace(Path(raw["root"]) / raw["campaign"]) for raw in raws]
    name = name_of_heads([campaign.folder for campaign in campaigns])
    job = HeadJob(
        job_id=os.environ["SLURM_JOB_ID"],
        name=name,
        script=script,
        arguments=tuple(arguments),
        environment=os.environ,
    )
    record = Path(raws[0]["root"]) / ".heads" / f"{name}.json"
    say(f"{name}: job {job.job_id}; scancel --name={name} ends it and its successor")
    is_first = os.environ["SLURM_JOB_NAME"] != name
    return asyncio.run(Relay(job=job, campaigns=campaigns, record=record).run(is_first=is_first))


def say(what: str) -> None:
    """Put a line into the log of the job, before whatever the head says next."""
    print(f"airr.relay: {what}", flush=True)  # noqa: T201 - the log of a batch job


if __name__ == "__main__":
    with errors_told():
        sys.exit(main())
