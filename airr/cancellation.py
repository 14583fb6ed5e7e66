"""Ends a campaign's jobs and no others; its head first, which would submit them again.

What was queued or running is taken back: the next head submits it as if for the first time, and
a result that a worker recorded before its end still counts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from airr.charter import read_charter
from airr.cluster.local import Local
from airr.cluster.protocol import LIVE, Cluster, TaskState
from airr.cluster.slots import Machine, Slots
from airr.cluster.slurm_settings import SlurmSettings
from airr.errors import ClusterError, WorkspaceError
from airr.executor.arrays import arrays_of
from airr.executor.openruns import OpenRun, open_runs_in
from airr.lease import Holder, Lease, holder_of, remove_lease_of
from airr.parsing import parse_cluster
from airr.policy.stages import array_of, open_orders, put_down_failure
from airr.withdrawal import take_back
from airr.workspace import Workspace, names_in

LOOK_SECONDS = 0.5
HEAD_SECONDS = 60.0
"""How long a head may take to end after a signal, its workers on this machine included."""
JOBS_SECONDS = 120.0
"""How long cancelled jobs may take to leave the queue: sites let them linger after SIGTERM."""

OpenRuns = Mapping[str, OpenRun]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The array task of a run that is, or was, queued or on a node."""

    batch: str
    task: int
    state: TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What is cancelled, or would be: jobs by the names of their runs, and the head at work.

    `companions` are other campaigns of the same head, as a sweep has them; they lose it too.
    """

    jobs: Mapping[str, Job]
    holder: Holder | None
    companions: tuple[str, ...]


def cluster_of(workspace: Workspace) -> Cluster:
    """Return the scheduler that a campaign runs on, as its campaign.yaml says.

    Raises:
        AirrError: the folder holds no campaign, or an imported one, or this machine cannot reach
            its scheduler.
    """
    charter = read_charter(workspace)
    if charter.is_imported:
        raise WorkspaceError(f"campaign {workspace.name} was imported: it has no jobs to cancel")
    own = parse_cluster(charter.section("cluster")).own
    if isinstance(own, SlurmSettings):
        from airr.cluster.slurm import Slurm  # noqa: PLC0415 - only where it is asked for

        return Slurm(own, os.environ)
    return Local(Slots(Machine(cpus=0, gpus=0)))


async def look(workspace: Workspace, cluster: Cluster) -> Cancellation:
    """Return what `cancel` would end, changing nothing.

    Raises:
        ClusterError: the scheduler did not answer.
    """
    live = await _live(open_runs_in(workspace), workspace, cluster)
    holder = holder_of(workspace.lease)
    return Cancellation(jobs=live, holder=holder, companions=_companions(holder, workspace))


async def cancel(workspace: Workspace, cluster: Cluster) -> Cancellation:
    """End the campaign's head and then its jobs; return what there was of them.

    Raises:
        WorkspaceError: its head runs where it cannot be ended from here.
        ClusterError: the scheduler did not answer, or would not let go.
    """
    before = await look(workspace, cluster)
    if before.holder:
        await _end_head(before.holder, workspace, cluster)
    lease = Lease.acquire(workspace.lease)
    pulse = asyncio.create_task(lease.keep())
    try:
        open_runs = open_runs_in(workspace)
        live = {**before.jobs, **await _live(open_runs, workspace, cluster)}
        orders = open_orders(workspace)
        await cluster.cancel([*arrays_of(open_runs.values(), workspace), *map(array_of, orders)])
        await _until_ended(open_runs, workspace, cluster)
        take_back(workspace, open_runs, live.keys())
        for order in orders:
            put_down_failure(order, "it was cancelled")
    finally:
        pulse.cancel()
        lease.release()
    return replace(before, jobs=live)


def _companions(holder: Holder | None, workspace: Workspace) -> tuple[str, ...]:
    """Return the other campaigns below the same root that this head runs."""
    if holder is None:
        return ()
    root = workspace.folder.absolute().parent
    others = {name: holder_of(Workspace(root / name).lease) for name in names_in(root)}
    return tuple(
        name
        for name, other in others.items()
        if other and (other.host, other.pid) == (holder.host, holder.pid) and name != workspace.name
    )


async def _end_head(holder: Holder, workspace: Workspace, cluster: Cluster) -> None:
    """Let a head end calmly, as Ctrl-C would.

    Raises:
        WorkspaceError: it cannot be reached from here, or does not end.
    """
    if not (holder.job or holder.is_here):
        raise WorkspaceError(
            f"campaign {workspace.name} is being run by {holder}, which would submit again what "
            f"is cancelled here: run python -m airr.cancel on {holder.host or 'its machine'}.\n"
            "Nothing was cancelled."
        )
    if holder.job:
        await cluster.end_head(holder.job)
        remove_lease_of(holder, workspace.lease)
        return
    with suppress(ProcessLookupError):
        os.kill(holder.pid, signal.SIGTERM)
    if await _comes_true(lambda: holder_of(workspace.lease) is None, HEAD_SECONDS):
        return
    raise WorkspaceError(f"{holder} was told to end and has not yet: cancel again. Jobs run on.")


async def _live(runs: OpenRuns, workspace: Workspace, cluster: Cluster) -> dict[str, Job]:
    """Return what is queued or on a node; what the scheduler says is noted in every run.

    Raises:
        ClusterError: the scheduler did not answer.
    """
    orders = [array_of(order) for order in open_orders(workspace)]
    found = await cluster.survey([*arrays_of(runs.values(), workspace), *orders])
    if found is None:
        raise ClusterError("the scheduler does not answer, nothing is cancelled: try again later")
    for run in runs.values():
        run.note(found[run.batch.name][run.task], time.time())
    jobs = {name: (run.batch.name, run.task, run.state) for name, run in runs.items()}
    jobs |= {one.folder.name: (one.name, 0, found[one.name][0].state) for one in orders}
    return {
        name: Job(batch=batch, task=task, state=state)
        for name, (batch, task, state) in jobs.items()
        if state in LIVE
    }


async def _until_ended(runs: OpenRuns, workspace: Workspace, cluster: Cluster) -> None:
    """Return once none of the runs is queued or on a node."""
    deadline = time.monotonic() + JOBS_SECONDS
    while left := await _live(runs, workspace, cluster):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{len(left)} cancelled jobs have not ended in {JOBS_SECONDS:.0f} s: look at them "
                "with squeue, and cancel again"
            )
        await asyncio.sleep(LOOK_SECONDS)


async def _comes_true(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until `holds` is true, and tell whether it came to be within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True
