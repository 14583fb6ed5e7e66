"""Which scores are believed, and what becomes of those that are not."""

from datetime import UTC, datetime

import pytest

from airr.batch import Result
from airr.config import Direction, Metric, RewardFormula
from airr.executor.plausibility import ENOUGH, Scores, doubt
from airr.executor.results import judge_result
from airr.records import Reason, RunKey, Scored, Withheld, outcome_of, row_of

LOSS = Metric(
    name="val_loss",
    unit="nats",
    direction=Direction.MINIMIZE,
    reward=RewardFormula.INVERSE,
    plausible=(1.2, 12.0),
    jump=4.0,
)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def scored(metric: float, error: float | None = 0.01) -> Scored:
    return Scored(
        idea_id=f"e00-i{int(metric * 1000):04d}",
        repeat=0,
        attempt=0,
        metric=metric,
        standard_error=error,
        reward=1 / metric,
        train_seconds=1.0,
        score_seconds=1.0,
        wall_seconds=2.0,
        log_tail="",
        scorer_version="x",
        ended_at=NOW,
    )


def result(metric: float) -> Result:
    return Result(
        key=RunKey(idea_id="e01-i000"),
        batch="b",
        metric=metric,
        standard_error=0.01,
        node="n",
        job_id="1",
        started_at=0.0,
        ended_at=1.0,
    )


PAST = [scored(2.4 + 0.01 * step) for step in range(-5, 6)]
"""Scores from 2.35 to 2.45; their standard deviation is 0.0316."""


@pytest.mark.parametrize("metric", [1.19, 12.1])
def test_a_metric_out_of_bounds_is_doubted_even_without_a_past(metric: float):
    assert "outside the plausible" in (doubt(metric, 0.01, Scores(LOSS)) or "")


@pytest.mark.parametrize(
    ("metric", "is_doubted"), [(2.5, False), (2.34, False), (2.23, False), (2.22, True)]
)
def test_a_jump_beyond_four_deviations_from_the_best_is_doubted(metric: float, is_doubted: bool):
    why = doubt(metric, 0.01, Scores(LOSS, PAST))
    assert (why is not None) is is_doubted
    assert why is None or "beats the best of 11 scores by 0.13" in why


def test_a_jump_within_noise_is_believed():
    assert doubt(2.2, 0.06, Scores(LOSS, PAST)) is None


def test_a_few_scores_support_every_jump():
    assert doubt(1.3, 0.01, Scores(LOSS, PAST[: ENOUGH - 1])) is None
    assert doubt(1.3, 0.01, Scores(LOSS, PAST[:ENOUGH])) is not None


def test_jumps_upwards_are_doubted_where_higher_is_better():
    accuracy = Metric(
        name="accuracy",
        unit="share",
        direction=Direction.MAXIMIZE,
        reward=RewardFormula.IDENTITY,
        plausible=(0.0, 9.0),
        jump=4.0,
    )
    assert doubt(2.7, None, Scores(accuracy, PAST)) is not None
    assert doubt(2.2, None, Scores(accuracy, PAST)) is None


def test_a_doubted_score_is_withheld_with_its_metric_and_its_reason():
    outcome = judge_result(result(1.1), Scores(LOSS, PAST))
    assert isinstance(outcome, Withheld)
    assert (outcome.metric, outcome.reason) == (1.1, Reason.IMPLAUSIBLE)
    assert isinstance(judge_result(result(2.3), Scores(LOSS, PAST)), Scored)


def test_the_ledger_keeps_a_withheld_metric_and_no_reward_for_it():
    outcome = judge_result(result(1.1), Scores(LOSS, PAST))
    row = row_of(outcome)
    assert (row.status, row.metric, row.reward) == ("withheld", 1.1, 0.0)
    assert outcome_of(row) == outcome
