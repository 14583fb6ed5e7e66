"""Shares and means -> their 95 % intervals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from airr.significance import LEVEL, half_interval


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % interval; both ends are NaN where there is nothing to tell it by."""

    value: float
    low: float
    high: float


NONE = Interval(float("nan"), float("nan"), float("nan"))


def of_share(hits: int, count: int) -> Interval:
    """Return a share with Wilson's interval, which holds for few ideas and for shares near 1."""
    if not count:
        return NONE
    ends = stats.binomtest(hits, count).proportion_ci(1 - LEVEL, method="wilson")
    return Interval(hits / count, float(ends.low), float(ends.high))


def of_mean(values: Sequence[float]) -> Interval:
    """Return a mean with Student's interval."""
    if not values:
        return NONE
    mean, half = statistics.fmean(values), half_interval(values)
    if half is None:
        return Interval(mean, NONE.low, NONE.high)
    return Interval(mean, mean - half, mean + half)
