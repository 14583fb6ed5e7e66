"""What a run came to -> its outcome and its row in the ledger. Pure.

A worker that is told to stop records that, and can but guess why: the scheduler's state says
whether its job was preempted, cancelled, or at its limit.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airr.batch import Result
from airr.cluster.protocol import TaskState, TaskStatus
from airr.executor.openruns import OpenRun
from airr.executor.plans import Rung
from airr.executor.plausibility import Scores, doubt
from airr.executor.verdicts import ENDED_AS, REASONS
from airr.plain import plain_line
from airr.records import (
    STOPPED,
    Dropped,
    Failed,
    Outcome,
    Reason,
    Run,
    RunKey,
    RunState,
    Scored,
    Screening,
    Stage,
    Withheld,
    row_of,
)

NODE_LOST = {Reason.NODE_FAIL: RunState.NODE_FAIL}
"""Results in which a worker says that its node could not run it; others without a stop are
complete."""

BY_THEMSELVES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.GONE, TaskState.OOM})
"""States that do not say who told a worker to stop."""

TRACEBACK = "Traceback (most recent call last):"
WIDEST = 200
"""Characters of a line in a log that a candidate may have written."""


def was_stopped(result: Result) -> bool:
    """Tell whether a worker only recorded that it was told to stop: no result of the run."""
    return result.reason in STOPPED


def judge_result(result: Result, past: Scores) -> Outcome:
    """Return what a worker's result means in this environment, after what was scored before."""
    if result.reason is Reason.HOPELESS:
        return _dropped(result)
    if result.metric is None:
        return _failure(result, result.stage or Stage.TRAIN, result.reason or Reason.LOST)
    if why := doubt(result.metric, result.standard_error, past):
        return _withheld(result, result.metric, why)
    key = result.key
    return Scored(
        idea_id=key.idea_id,
        repeat=key.repeat,
        attempt=key.attempt,
        metric=result.metric,
        standard_error=result.standard_error,
        reward=past.metric.reward_of(result.metric),
        train_seconds=result.train_seconds,
        score_seconds=result.score_seconds,
        wall_seconds=result.ended_at - result.started_at,
        log_tail=result.log_tail,
        scorer_version=result.scorer_version,
        reported=result.reported,
        ended_at=_time(result.ended_at),
    )


def judge_stop(result: Result, status: TaskStatus) -> Failed:
    """Return the failure of a run whose worker was told to stop, as the scheduler explains it."""
    reason, detail = result.reason or Reason.PREEMPTED, result.detail
    if status.state not in BY_THEMSELVES:
        reason = REASONS[ENDED_AS[status.state]]
        detail = f"{detail}; the scheduler says {status.detail or status.state}"
    return _failure(result, result.stage or Stage.TRAIN, reason, detail)


def judge_absence(run: OpenRun, now: float) -> Failed:
    """Return the failure of a run that ended without a result, as the scheduler explains it."""
    key, status = run.planned.key, run.status
    return Failed(
        idea_id=key.idea_id,
        repeat=key.repeat,
        attempt=key.attempt,
        stage=Stage.TRAIN if run.has_begun else Stage.QUEUE,
        reason=REASONS[ENDED_AS[status.state]],
        detail=status.detail or f"the scheduler says {status.state}, and no result came",
        ended_at=_time(now),
    )


def run_row(run: OpenRun, outcome: Outcome, result: Result | None) -> Run:
    """Return the ledger's row of a run that has ended."""
    key, gpus = run.planned.key, run.batch.plan.gpus * run.batch.plan.nodes
    return Run(
        id=key.name,
        idea_id=key.idea_id,
        repeat=key.repeat,
        attempt=key.attempt,
        rung=key.rung,
        seed=run.planned.seed,
        codebase_sha256=run.planned.codebase_sha256,
        batch=run.batch.name,
        job_id=result.job_id if result else run.status.job_id,
        node=result.node if result else run.status.node,
        state=_state(run, outcome, result),
        stage=outcome.stage if isinstance(outcome, Failed | Dropped) else None,
        reason=outcome.reason if isinstance(outcome, Failed | Dropped) else None,
        detail=outcome.detail if isinstance(outcome, Failed | Dropped) else "",
        train_seconds=outcome.train_seconds,
        curve={str(tenth): value for tenth, value in result.curve.items()} if result else {},
        submitted_at=_time(run.batch.created_at),
        started_at=_time(result.started_at) if result else None,
        ended_at=outcome.ended_at,
        gpu_seconds=(result.ended_at - result.started_at) * gpus if result else 0.0,
    )


def screening_row(outcome: Outcome, rung: Rung) -> Screening:
    """Return the ledger's row of what a run at a rung of the screen came to."""
    row = row_of(outcome)
    return Screening(
        idea_id=row.idea_id,
        rung=rung.number,
        attempt=row.attempt,
        env=rung.env,
        share=rung.share,
        budget_seconds=rung.plan.budget_seconds,
        status=row.status,
        stage=row.stage,
        reason=row.reason,
        detail=row.detail,
        metric=row.metric,
        standard_error=row.standard_error,
        train_seconds=row.train_seconds,
        score_seconds=row.score_seconds,
        wall_seconds=row.wall_seconds,
        ended_at=row.ended_at,
    )


def failure_of(run: Run) -> Failed:
    """Return the failure that a run ended in, as the outcome of its idea."""
    assert run.stage is not None
    assert run.reason is not None
    begun = run.started_at or run.ended_at
    return Failed(
        idea_id=run.idea_id,
        repeat=run.repeat,
        attempt=run.attempt,
        stage=run.stage,
        reason=run.reason,
        detail=run.detail,
        train_seconds=run.train_seconds,
        wall_seconds=(run.ended_at - begun).total_seconds(),
        log_tail=run.detail,
        ended_at=run.ended_at,
    )


def describe_outcome(outcome: Outcome, rung: int | None = None) -> str:
    """Return an outcome, maybe at a rung of the screen, on one line, for a log."""
    key = RunKey(idea_id=outcome.idea_id, repeat=outcome.repeat, attempt=outcome.attempt, rung=rung)
    is_first = not key.repeat and not key.attempt and rung is None
    name = key.idea_id if is_first else key.name
    if isinstance(outcome, Scored):
        return f"{name}: scored {outcome.metric:.5g} in {outcome.wall_seconds:.0f} s"
    why = _in_short(outcome.detail)
    if isinstance(outcome, Withheld):
        return f"{name}: withheld until verified: {why}"
    return f"{name}: {outcome.reason} while {outcome.stage}: {why}"


def _in_short(detail: str) -> str:
    """Return the first line of what went wrong, and of a traceback its last, which says what."""
    first, *others = detail.strip().splitlines() or [""]
    said = plain_line(first)[:WIDEST]
    if not others:
        return said
    if said.endswith(TRACEBACK):
        return f"{said.removesuffix(TRACEBACK)}{plain_line(others[-1])[:WIDEST]}"
    return f"{said} [...]"


def _state(run: OpenRun, outcome: Outcome, result: Result | None) -> RunState:
    if result is None:
        return ENDED_AS[run.state]
    if was_stopped(result):
        word = RunState(str(result.reason))
        return word if run.state in BY_THEMSELVES else ENDED_AS[run.state]
    if isinstance(outcome, Failed):
        return NODE_LOST.get(outcome.reason, RunState.COMPLETED)
    return RunState.COMPLETED


def _withheld(result: Result, metric: float, detail: str) -> Withheld:
    key = result.key
    return Withheld(
        idea_id=key.idea_id,
        repeat=key.repeat,
        attempt=key.attempt,
        reason=Reason.IMPLAUSIBLE,
        detail=detail,
        metric=metric,
        standard_error=result.standard_error,
        train_seconds=result.train_seconds,
        score_seconds=result.score_seconds,
        wall_seconds=result.ended_at - result.started_at,
        log_tail=result.log_tail,
        scorer_version=result.scorer_version,
        ended_at=_time(result.ended_at),
    )


def _dropped(result: Result) -> Dropped:
    key = result.key
    return Dropped(
        idea_id=key.idea_id,
        repeat=key.repeat,
        attempt=key.attempt,
        stage=Stage.TRAIN,
        reason=Reason.HOPELESS,
        detail=result.detail,
        train_seconds=result.train_seconds,
        wall_seconds=result.ended_at - result.started_at,
        log_tail=result.log_tail,
        reported=result.reported,
        ended_at=_time(result.ended_at),
    )


def _failure(result: Result, stage: Stage, reason: Reason, detail: str | None = None) -> Failed:
    key = result.key
    return Failed(
        idea_id=key.idea_id,
        repeat=key.repeat,
        attempt=key.attempt,
        stage=stage,
        reason=reason,
        detail=result.detail if detail is None else detail,
        train_seconds=result.train_seconds,
        score_seconds=result.score_seconds,
        wall_seconds=result.ended_at - result.started_at,
        log_tail=result.log_tail,
        scorer_version=result.scorer_version,
        reported=result.reported,
        ended_at=_time(result.ended_at),
    )


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
