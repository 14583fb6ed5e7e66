"""The ledger's rows -> what people want to know of a campaign. Pure; every display reads this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from math import hypot
from typing import Any

from airr.config import Metric
from airr.records import (
    BASELINE,
    FAILED,
    Call,
    Dropped,
    Failed,
    Idea,
    Outcome,
    Reason,
    Run,
    Scored,
    Screening,
    Update,
    Withheld,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """A scored idea beside the baseline. `gain_error` is the standard error of the difference."""

    idea: Idea
    outcome: Scored
    gain: float
    gain_error: float | None

    @property
    def is_noise(self) -> bool:
        """Tell whether the difference lies within twice its standard error, or has none."""
        return self.gain_error is None or abs(self.gain) <= 2 * self.gain_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What calls of models used up.

    `input_tokens` are those billed in full, `cached_tokens` those read from a prompt cache, and
    `written_tokens` those written into one. `usd` leaves out the `unpriced` calls, whose models
    have no known price; `cancelled` ones were cut short when their answers were no longer wanted.
    `seconds` are how long answers took, which overlap in time.
    """

    calls: int
    cancelled: int
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    usd: float
    unpriced: int
    seconds: float


def best_ideas(
    ideas: Mapping[str, Idea],
    outcomes: Mapping[str, Outcome],
    metric: Metric,
    count: int,
) -> list[Best]:
    """Return the best scored ideas, best first, compared with the campaign's own baseline."""
    baseline = outcomes.get(BASELINE)
    if not isinstance(baseline, Scored):
        return []
    best = best_first(ideas, outcomes, metric)[:count]
    return [_against(baseline, ideas[one.idea_id], one, metric) for one in best]


def best_first(
    ideas: Collection[str], outcomes: Mapping[str, Outcome], metric: Metric
) -> list[Scored]:
    """Return the scores of ideas, best first, whether there is a baseline or not."""
    scored = [one for one in outcomes.values() if isinstance(one, Scored) and one.idea_id in ideas]
    return sorted(scored, key=lambda one: (-metric.gain(one.metric, over=0.0), one.idea_id))


def _against(baseline: Scored, idea: Idea, outcome: Scored, metric: Metric) -> Best:
    errors = (outcome.standard_error, baseline.standard_error)
    error = None if errors[0] is None or errors[1] is None else hypot(errors[0], errors[1])
    gain = metric.gain(outcome.metric, baseline.metric)
    return Best(idea=idea, outcome=outcome, gain=gain, gain_error=error)


def withheld(outcomes: Mapping[str, Outcome]) -> list[Withheld]:
    """Return the outcomes that wait for a verification."""
    return [outcome for outcome in outcomes.values() if isinstance(outcome, Withheld)]


def dropped(outcomes: Mapping[Any, Outcome]) -> Counter[Reason]:
    """Return how often each reason kept an idea from a full run."""
    return Counter(o.reason for o in outcomes.values() if isinstance(o, Dropped))


def failures(outcomes: Mapping[Any, Outcome]) -> Counter[Reason]:
    """Return how often each reason ended an idea."""
    return Counter(o.reason for o in outcomes.values() if isinstance(o, Failed))


ROLES = {"ideate": "ideator", "implement": "implementer"}
"""Purposes of calls, and the roles that make them."""


def spend_by_role(calls: Sequence[Call]) -> dict[str, Spend]:
    """Return what the calls of each role used up, for the roles that made any."""
    return {
        role: spend_of(own)
        for purpose, role in ROLES.items()
        if (own := [call for call in calls if call.purpose == purpose])
    }


def spend_of(calls: Sequence[Call]) -> Spend:
    """Return what calls used up."""
    prices = [call.usd for call in calls if call.usd is not None]
    return Spend(
        calls=len(calls),
        cancelled=sum(call.stop_reason == "cancelled" for call in calls),
        input_tokens=sum(call.input_tokens for call in calls),
        cached_tokens=sum(call.cache_read_tokens for call in calls),
        written_tokens=sum(call.cache_write_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        usd=sum(prices),
        unpriced=len(calls) - len(prices),
        seconds=sum(call.latency_seconds for call in calls),
    )


def together(spends: Collection[Spend]) -> Spend:
    """Return the sum of what was spent."""
    names = (field.name for field in fields(Spend))
    return Spend(**{name: sum(getattr(spend, name) for spend in spends) for name in names})


def added(one: Mapping[str, Spend], other: Mapping[str, Spend]) -> dict[str, Spend]:
    """Return the sums of what each role has spent, for the roles that have."""
    roles = [role for role in ROLES.values() if role in one or role in other]
    return {
        role: together([spends[role] for spends in (one, other) if role in spends])
        for role in roles
    }


def gpu_hours_of(runs: Sequence[Run]) -> float:
    """Return what ended runs have used."""
    return sum(run.gpu_seconds for run in runs) / 3600


def time_spent(
    *,
    spends: Mapping[str, Spend],
    preflight_seconds: float,
    runs: Collection[Run],
    screens: Collection[Screening],
    outcomes: Collection[Outcome],
    updates: Collection[Update],
) -> dict[str, float]:
    """Return the seconds of each stage, summed over ideas, which overlap in time.

    `idea` are calls that ask for ideas and jobs that sample them from a policy, `queue` is from the
    submission of a run to its first instruction on the node, `overhead` what a worker spends on
    unpacking, recording and cleaning up; `update` is there where a policy is trained.
    """
    # who failed in the screen has that very run as its outcome
    ended = [*outcomes, *(one for one in screens if one.status != FAILED)]
    calls = spends["ideator"].seconds if "ideator" in spends else 0.0
    stages = {
        "idea": calls + sum(update.sample_seconds for update in updates),
        "patch": spends["implementer"].seconds if "implementer" in spends else 0.0,
        "preflight": preflight_seconds,
        "queue": sum(
            (run.started_at - run.submitted_at).total_seconds() for run in runs if run.started_at
        ),
        "train": sum(one.train_seconds for one in ended),
        "score": sum(one.score_seconds for one in ended),
        "overhead": sum(one.wall_seconds - one.train_seconds - one.score_seconds for one in ended),
    }
    learned = {"update": sum(update.update_seconds for update in updates)} if updates else {}
    return stages | learned
