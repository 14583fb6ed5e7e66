"""An outcome beside the baseline -> its fate, its score and its gain, as they are shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from airr.records import Dropped, Failed, Outcome, Scored, Withheld
from airr.reporting.tree import Fate, Gain, Score
from airr.summary import Best


def fate_of(outcome: Outcome | None, best: Best | None) -> Fate:
    """Return what became of an idea; `best` compares it with the baseline, where that can be."""
    match outcome:
        case None:
            return Fate.OPEN
        case Failed():
            return Fate.FAILED
        case Withheld():
            return Fate.WITHHELD
        case Dropped():
            return Fate.DROPPED
        case Scored():
            return Fate.UNCOMPARED if best is None else _verdict(best)


def _verdict(best: Best) -> Fate:
    if best.is_noise:
        return Fate.NOISE
    return Fate.BETTER if best.gain > 0 else Fate.WORSE


def score_of(outcome: Scored, seeds: Mapping[str, int]) -> Score:
    """Return a score as it is shown; `seeds` says by idea id over how many it is the mean."""
    return Score(metric=outcome.metric, error=outcome.standard_error, seeds=seeds[outcome.idea_id])


def gain_of(best: Best) -> Gain:
    """Return by how much an idea beats the baseline, as it is shown."""
    error = best.gain_error
    return Gain(
        value=best.gain,
        error=error,
        low=None if error is None else best.gain - 2 * error,
        high=None if error is None else best.gain + 2 * error,
        is_noise=best.is_noise,
    )
