"""A metric and what was scored before -> why it is not believed yet. Pure.

Below its environment's bounds a metric is a hack, a leak or a mistake. Within them, so is most
often what lies far beyond everything that was ever measured: it is held back until verified.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot, sqrt

from airr.config import Metric, RewardFormula
from airr.records import Scored

ENOUGH = 8
"""From so few scores on, their spread says something of the next one."""
SMALLEST_INVERTED = 1e-300
"""Below it an inverse is infinite, or no reward at all."""
NOISE = 3.0
"""Standard errors of a difference that chance alone may well come to."""


class Scores:
    """What a campaign has scored so far, its baseline included, in a few numbers.

    The variance is updated score by score (Welford, 1962).
    """

    def __init__(self, metric: Metric, scored: Iterable[Scored] = ()) -> None:
        """Take in what is known at first."""
        self.metric = metric
        self.count = 0
        self.best: Scored | None = None
        self._mean = self._squares = 0.0
        for one in scored:
            self.add(one)

    def add(self, one: Scored) -> None:
        """Take in another score."""
        self.count += 1
        off = one.metric - self._mean
        self._mean += off / self.count
        self._squares += off * (one.metric - self._mean)
        if self.best is None or self.metric.gain(one.metric, over=self.best.metric) > 0:
            self.best = one

    @property
    def spread(self) -> float:
        """Return their standard deviation; 0 for none."""
        return sqrt(self._squares / self.count) if self.count else 0.0


def doubt(found: float, standard_error: float | None, past: Scores) -> str | None:
    """Return why a metric must be verified before it counts; None if it may count."""
    metric = past.metric
    low, high = metric.plausible
    if metric.reward is RewardFormula.INVERSE and found < SMALLEST_INVERTED:
        return f"{metric.name}={found:.4g} has no inverse that could be a reward"
    if not low <= found <= high:
        return f"{metric.name}={found:.4g} lies outside the plausible {low:g} to {high:g}"
    if not metric.jump or past.best is None or past.count < ENOUGH:
        return None
    gain, spread = metric.gain(found, over=past.best.metric), past.spread
    noise = hypot(standard_error or 0.0, past.best.standard_error or 0.0)
    if not spread or gain <= max(metric.jump * spread, NOISE * noise):
        return None
    return (
        f"{metric.name}={found:.4g} beats the best of {past.count} scores by {gain:.3g}, which is "
        f"{gain / spread:.1f} times their standard deviation: no past outcome supports such a jump"
    )
