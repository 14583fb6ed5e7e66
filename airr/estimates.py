"""Scores of one codebase with several seeds -> one outcome that stands for them all. Pure.

Two errors are told apart. That of the finite validation set is the scorer's to know, and stays, for
all seeds are scored on the same tokens. How far training scatters with its seed is estimated over
all codebases that were run more than once, and shrinks with the seeds of each.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airr.config import Metric, Search
from airr.records import (
    BASELINE,
    INFRASTRUCTURE,
    Failed,
    Outcome,
    Reason,
    Scored,
    Wanted,
    Withheld,
)

NOBODYS_FAULT = INFRASTRUCTURE | {Reason.CANCELLED, Reason.UNSATISFIABLE}
"""Reasons for which a seed is left out; with any other, the idea fails with all its seeds."""


def settled(outcomes: Mapping[Wanted, Outcome]) -> dict[str, Outcome]:
    """Return one outcome for each codebase, by idea id: the mean, where it is scored."""
    by_id: dict[str, list[Outcome]] = {}
    for (idea_id, _), outcome in outcomes.items():
        by_id.setdefault(idea_id, []).append(outcome)
    scatter = pooled_spread(metrics_of(found) for found in by_id.values() if len(found) > 1)
    return {
        idea_id: found[0] if scatter is None and len(found) == 1 else _of_all(found, scatter)
        for idea_id, found in by_id.items()
    }


def seeds_of(outcomes: Mapping[Wanted, Outcome]) -> Counter[str]:
    """Return with how many seeds each codebase is scored."""
    return Counter(idea for (idea, _), one in outcomes.items() if isinstance(one, Scored))


def metrics_of(outcomes: Iterable[Outcome]) -> list[float]:
    """Return the metrics of those that are scored."""
    return [outcome.metric for outcome in outcomes if isinstance(outcome, Scored)]


def pooled_spread(groups: Iterable[Sequence[float]]) -> float | None:
    """Return the standard deviation within groups of values, if any has more than one.

    Each group's variance counts with its degrees of freedom: all are taken to scatter alike.
    """
    squares, freedom = 0.0, 0
    for values in groups:
        if len(values) > 1:
            squares += statistics.variance(values) * (len(values) - 1)
            freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom else None


def cautious_gain(outcome: Scored, baseline: Scored, metric: Metric, caution: float) -> float:
    """Return the gain over the baseline less `caution` standard errors of the score."""
    doubt = caution * (outcome.standard_error or 0.0)
    return metric.gain(outcome.metric, baseline.metric) - doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeding:
    """With how many seeds codebases are run: the settings of `Search` that have these names."""

    baseline_seeds: int
    repeats: int
    caution: float

    def repeats_of(self, first: Outcome, baseline: Scored, metric: Metric) -> int:
        """Return with how many further seeds an idea is run, by what its first run came to.

        It does not depend on the others, so that it stays the same when more of them are known.
        """
        if not isinstance(first, Scored):
            return 0
        is_promising = cautious_gain(first, baseline, metric, self.caution) > 0
        return self.repeats if is_promising else 0

    def repeats_left(self, outcomes: Mapping[Wanted, Outcome], metric: Metric) -> int:
        """Return how many further seeds are still to be run of ideas that have a first outcome."""
        baseline = baseline_of(outcomes)
        if not self.repeats or not isinstance(baseline, Scored):
            return 0
        had = Counter(idea_id for idea_id, _ in outcomes)
        return sum(
            max(0, self.repeats_of(first, baseline, metric) + 1 - had[idea_id])
            for (idea_id, repeat), first in outcomes.items()
            if repeat == 0 and idea_id != BASELINE
        )

    def baseline_left(self, outcomes: Mapping[Wanted, Outcome]) -> int:
        """Return how many seeds of the unmodified codebase are still to be run."""
        return sum((BASELINE, seed) not in outcomes for seed in range(self.baseline_seeds))


def seeding_of(search: Search) -> Seeding:
    """Return the seeding that a search asks for."""
    return Seeding(
        baseline_seeds=search.baseline_seeds, repeats=search.repeats, caution=search.caution
    )


def baseline_of(outcomes: Mapping[Wanted, Outcome]) -> Outcome | None:
    """Return what the unmodified codebase came to, by its own scatter alone."""
    own = {wanted: outcome for wanted, outcome in outcomes.items() if wanted[0] == BASELINE}
    return settled(own).get(BASELINE)


def _of_all(found: Sequence[Outcome], scatter: float | None) -> Outcome:
    """Return what stands for the outcomes of one codebase."""
    if len(found) > 1:
        found = sorted(found, key=lambda outcome: outcome.repeat)
    for outcome in found:
        failed = isinstance(outcome, Failed) and outcome.reason not in NOBODYS_FAULT
        if failed or isinstance(outcome, Withheld):
            return outcome
    scored = [outcome for outcome in found if isinstance(outcome, Scored)]
    if not scored:
        return found[0]
    if scatter is None:
        return scored[0]
    sampling = max((one.standard_error or 0.0) for one in scored)
    error = math.hypot(sampling, scatter / math.sqrt(len(scored)))
    if len(scored) == 1:
        return replace(scored[0], standard_error=error)
    return replace(
        scored[0],
        metric=statistics.fmean(one.metric for one in scored),
        reward=statistics.fmean(one.reward for one in scored),
        standard_error=error,
    )
