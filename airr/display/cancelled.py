"""What `airr.cancel` says: which jobs of which arrays, and how the campaign goes on."""

from __future__ import annotations

from collections import Counter

from airr.cancellation import Cancellation
from airr.cluster.protocol import TaskState
from airr.executor.openruns import OpenRun


def told_of(name: str, found: Cancellation, *, is_dry: bool) -> str:
    """Return what was cancelled of campaign `name`, or would be."""
    lines: list[str] = []
    if found.holder:
        lines.append(f"head: {found.holder} {'would be' if is_dry else 'was'} ended")
    if not found.runs:
        return "\n".join([f"campaign {name}: none of its jobs is queued or running", *lines])
    arrays: dict[str, list[OpenRun]] = {}
    for run in found.runs:
        arrays.setdefault(run.batch.name, []).append(run)
    did = "would cancel" if is_dry else "cancelled"
    lines.insert(
        0, f"campaign {name}: {did} {_count(len(found.runs), 'job')} of "
        f"{_count(len(arrays), 'array')}",
    )  # fmt: skip
    lines += [f"  {array}: {_states(runs)}" for array, runs in sorted(arrays.items())]
    if not is_dry:
        lines.append(
            "The same python -m airr.evolve command goes on; what was cancelled runs again."
        )
    return "\n".join(lines)


def _states(runs: list[OpenRun]) -> str:
    count = Counter(run.state for run in runs)
    return f"{count[TaskState.RUNNING]} running, {count[TaskState.PENDING]} queued"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
