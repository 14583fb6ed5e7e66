"""A metric and what was scored before -> why it is not believed yet. Pure.

Below its environment's bounds a metric is a hack, a leak or a mistake. Within them, so is most
often what lies far beyond everything that was ever measured: it is held back until verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from statistics import pstdev

from airr.config import Metric
from airr.records import Scored

ENOUGH = 8
"""From so few scores on, their spread says something of the next one."""
NOISE = 3.0
"""Standard errors of a difference that chance alone may well come to."""


def doubt(
    found: float, standard_error: float | None, past: Sequence[Scored], metric: Metric
) -> str | None:
    """Return why a metric must be verified before it counts; None if it may count.

    `past` is what the campaign has scored so far, its baseline included.
    """
    low, high = metric.plausible
    if not low <= found <= high:
        return f"{metric.name}={found:.4g} lies outside the plausible {low:g} to {high:g}"
    if not metric.jump or len(past) < ENOUGH:
        return None
    best = max(past, key=lambda one: metric.gain(one.metric, over=found))
    gain = metric.gain(found, over=best.metric)
    spread = pstdev(one.metric for one in past)
    noise = hypot(standard_error or 0.0, best.standard_error or 0.0)
    if not spread or gain <= max(metric.jump * spread, NOISE * noise):
        return None
    return (
        f"{metric.name}={found:.4g} beats the best of {len(past)} scores by {gain:.3g}, which is "
        f"{gain / spread:.1f} times their standard deviation: no past outcome supports such a jump"
    )
