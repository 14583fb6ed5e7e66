"""What `airr.cancel` says: which jobs of which arrays, and how the campaign goes on."""

from __future__ import annotations

from collections import Counter

from airr.cancellation import Cancellation, Job
from airr.cluster.protocol import TaskState


def told_of(name: str, found: Cancellation, *, is_dry: bool) -> str:
    """Return what was cancelled of campaign `name`, or would be."""
    lines: list[str] = []
    if found.holder:
        lines.append(f"  head: {found.holder} {'would be' if is_dry else 'was'} ended first")
    if found.companions:
        lines.append(
            f"  it also runs {', '.join(found.companions)}: their jobs on a scheduler are let "
            "alone, what they run on this machine ends with it"
        )
    arrays: dict[str, list[Job]] = {}
    tasks = {(job.batch, job.task): job for job in found.jobs.values()}  # runs may share one
    for job in tasks.values():
        arrays.setdefault(job.batch, []).append(job)
    lines += [f"  {array}: {_states(jobs)}" for array, jobs in sorted(arrays.items())]
    if not found.jobs:
        return "\n".join([f"campaign {name}: none of its jobs is queued or running", *lines])
    jobs, of_arrays = _count(len(tasks), "job"), _count(len(arrays), "array")
    did = "would cancel" if is_dry else "cancelled"
    lines.insert(0, f"campaign {name}: {did} {jobs} of {of_arrays}")
    if not is_dry:
        lines.append("The same python -m airr.evolve command goes on, and runs them again.")
    return "\n".join(lines)


def _states(jobs: list[Job]) -> str:
    count = Counter(job.state for job in jobs)
    said = [
        f"{count[state]} {word}"
        for state, word in ((TaskState.RUNNING, "running"), (TaskState.PENDING, "queued"))
        if count[state]
    ]
    return ", ".join(said)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
