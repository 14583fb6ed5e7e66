"""Scores over seeds -> how sure one may be of a difference. Pure.

A single score has an error that its scorer knows (of the finite validation set). What it does not
know is how the metric scatters with the seed of training; only repeats show that.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence

from scipy import stats

LEVEL = 0.05
"""Differences that chance brings about less often than this count as real."""
EXACT_UP_TO = 7
"""Pairs, for whose rank correlation all pairings are gone through."""


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation of the population that these are a sample of."""
    return statistics.stdev(values) if len(values) > 1 else None


def half_interval(values: Sequence[float]) -> float | None:
    """Return half the width of the 95 % confidence interval of the mean (Student's t)."""
    scatter = spread(values)
    if scatter is None:
        return None
    quantile = float(stats.t.ppf(1 - LEVEL / 2, len(values) - 1))
    return quantile * scatter / math.sqrt(len(values))


def welch(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return the two-sided p-value of two means being the same, variances not taken as equal.

    None where it cannot be had: fewer than two values on a side, or no scatter on either.
    """
    if min(len(one), len(other)) < 2:
        return None
    errors = [statistics.variance(values) / len(values) for values in (one, other)]
    if not any(errors):
        return None
    t = (statistics.mean(one) - statistics.mean(other)) / math.sqrt(sum(errors))
    own = [error**2 / (len(values) - 1) for error, values in zip(errors, (one, other), strict=True)]
    return float(2 * stats.t.sf(abs(t), sum(errors) ** 2 / sum(own)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for being looked at together (Holm, 1979); None stays None.

    With them, the chance to call any of several equal things different stays below the level.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = largest
    return adjusted


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> tuple[float, float] | None:
    """Return Spearman's rho of paired values, and the p-value of there being no relation.

    None below three pairs, or where one side is constant.
    """
    if len(one) < 3 or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    ranks, others = _ranks(one), _ranks(other)
    rho = statistics.correlation(ranks, others)
    if len(one) <= EXACT_UP_TO:
        return rho, _exact_p(ranks, others, rho)
    t = rho * math.sqrt((len(one) - 2) / max(1 - rho**2, 1e-12))
    return rho, float(2 * stats.t.sf(abs(t), len(one) - 2))


def _ranks(values: Sequence[float]) -> list[float]:
    return [float(rank) for rank in stats.rankdata(values)]


def _exact_p(ranks: Sequence[float], others: Sequence[float], rho: float) -> float:
    """Return the share of all pairings whose ranks agree, or disagree, as much as these do."""
    seen = abs(rho) - 1e-9
    pairings = list(itertools.permutations(others))
    return sum(abs(statistics.correlation(ranks, p)) >= seen for p in pairings) / len(pairings)
