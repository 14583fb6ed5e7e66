"""Training as a step of a Slurm job: srun starts `airr.worker.step` on each node of the run.

Each node ends its own part at the deadline and over its limits, and says how in its exit status.
srun hands up the highest one, so they stand in the order in which they tell most: where one part
fails, Slurm stops all the others.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

from airr.batch import Plan
from airr.worker.clock import Ended, Ending
from airr.worker.rendezvous import free_port

STATUSES = {
    Ending.STOPPED: 11,
    Ending.DEADLINE: 12,
    Ending.EXITED: 13,
    Ending.DISK: 14,
    Ending.PROCESSES: 15,
    Ending.MEMORY: 16,
    Ending.UNSTARTED: 17,
}
KILLED = (-9, 137)
"""What a process leaves that somebody killed: the kernel, for want of memory."""


def srun_command(
    plan: Plan, step: Sequence[str], environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what runs `step` on every node of this Slurm job.

    From a batch script a plain srun works; it ignores SLURM_CPUS_PER_TASK since 22.05, so the
    number is repeated.

    Raises:
        OSError: the nodes are to meet on a port of this one, and none is free.
    """
    cpus = environment.get("SLURM_CPUS_PER_TASK", plan.cpus)
    srun = (
        "srun",
        f"--nodes={plan.nodes}",
        f"--ntasks={plan.nodes}",
        f"--cpus-per-task={cpus}",
        "--kill-on-bad-exit=1",
        "--input=none",
        "--unbuffered",
    )
    if plan.nodes == 1:
        return (*srun, *step)
    return (*srun, *step, platform.node(), str(free_port(int(environment["SLURM_JOB_ID"]))))


def status_of(ended: Ended) -> int:
    """Return the exit status by which a node's part tells how it ended."""
    if ended.ending is not Ending.EXITED:
        return STATUSES[ended.ending]
    if ended.returncode in KILLED:
        return STATUSES[Ending.MEMORY]
    return STATUSES[Ending.EXITED] if ended.returncode else 0


def ended_as(step: Ended) -> Ended:
    """Return how a training ended whose srun ended as `step`."""
    if step.ending is not Ending.EXITED or step.returncode == 0:
        return step
    endings = {status: ending for ending, status in STATUSES.items()} | {137: Ending.MEMORY}
    ending = endings.get(step.returncode, Ending.UNSTARTED)
    return Ended(ending=ending, returncode=1, seconds=step.seconds)
