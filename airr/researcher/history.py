"""Which past trials stay in a prompt that has no room for all of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from airr.config import Metric
from airr.records import Scored, Trial


def most_telling(trials: Sequence[Trial], count: int, metric: Metric) -> tuple[Trial, ...]:
    """Return `count` of the trials in the order of their ids: half the best, half the latest.

    The best are those with the best scores (the larger half); the latest, of any fate, are those
    of the rest with the highest ids.
    """
    scored = [
        (-metric.gain(trial.outcome.metric, 0.0), trial.idea.id)
        for trial in trials
        if isinstance(trial.outcome, Scored)
    ]
    best = {idea_id for _, idea_id in sorted(scored)[: -(-count // 2)]}
    rest = sorted((trial.idea.id for trial in trials if trial.idea.id not in best), reverse=True)
    kept = best | {*rest[: count - len(best)]}
    return tuple(
        trial for trial in sorted(trials, key=lambda one: one.idea.id) if trial.idea.id in kept
    )
