"""What the scheduler says of a run that has no result yet -> wait, submit again, or it ended.

The worker's record is the truth; a scheduler's state only explains why there is none. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airr.cluster.protocol import LIVE, TaskState
from airr.records import Reason, RunState


class Verdict(StrEnum):
    """What to do about a run without a result."""

    WAIT = "wait"
    """It is queued, runs, or its result may still be on its way through the file system."""
    RESUBMIT = "resubmit"
    """It was never queued: the submission itself was lost."""
    ENDED = "ended"
    """It is over, and there will be no result."""


ENDED_AS = {
    TaskState.COMPLETED: RunState.LOST,
    TaskState.FAILED: RunState.LOST,
    TaskState.GONE: RunState.LOST,
    TaskState.NODE_FAIL: RunState.NODE_FAIL,
    TaskState.PREEMPTED: RunState.PREEMPTED,
    TaskState.TIMEOUT: RunState.TIMEOUT,
    TaskState.OOM: RunState.OOM,
    TaskState.CANCELLED: RunState.CANCELLED,
    TaskState.UNSATISFIABLE: RunState.UNSATISFIABLE,
}

REASONS = {
    RunState.LOST: Reason.LOST,
    RunState.NODE_FAIL: Reason.NODE_FAIL,
    RunState.PREEMPTED: Reason.PREEMPTED,
    RunState.TIMEOUT: Reason.TIMEOUT,
    RunState.OOM: Reason.OOM,
    RunState.CANCELLED: Reason.CANCELLED,
    RunState.UNSATISFIABLE: Reason.UNSATISFIABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """How long a run has been off the queue: the number of looks, and the seconds since the first.

    One look is not enough: schedulers forget, and shared file systems show new files late.
    """

    looks: int
    seconds: float


def verdict_of(
    state: TaskState, *, was_seen: bool, absence: Absence, patience_seconds: float
) -> Verdict:
    """Judge a run without a result.

    `was_seen` says that the run left any trace: a state other than `GONE`, or a heartbeat.
    """
    if state in LIVE:
        return Verdict.WAIT
    if state is TaskState.UNSATISFIABLE:
        return Verdict.ENDED
    if absence.looks < 2 or absence.seconds < patience_seconds:
        return Verdict.WAIT
    return Verdict.ENDED if was_seen or state is not TaskState.GONE else Verdict.RESUBMIT
