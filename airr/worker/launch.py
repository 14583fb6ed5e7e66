"""Where a candidate's processes start: below this one, or as a step of this Slurm job."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping

from airr.batch import Plan

SCANCEL_SECONDS = 30


def step_prefix(plan: Plan, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what turns a command into a step: `srun` inside a Slurm job, else nothing.

    From a batch script a plain srun works; it ignores SLURM_CPUS_PER_TASK since 22.05, so the
    number is repeated.
    """
    if "SLURM_JOB_ID" not in environment:
        return ()
    return (
        "srun",
        f"--nodes={plan.nodes}",
        f"--ntasks={plan.nodes}",
        f"--cpus-per-task={plan.cpus}",
        "--kill-on-bad-exit=1",
        "--input=none",
        "--unbuffered",
    )


def step_killer(environment: Mapping[str, str]) -> Callable[[], None] | None:
    """Return what ends the processes of a step; None where everything is a descendant of ours.

    They are children of Slurm's own daemon and outlive a killed srun: the scheduler has to end
    them. Training is the first step of its job.
    """
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        return None

    def end_step() -> None:
        command = ["scancel", "--signal=KILL", f"{job}.0"]
        subprocess.run(command, capture_output=True, timeout=SCANCEL_SECONDS, check=False)

    return end_step
