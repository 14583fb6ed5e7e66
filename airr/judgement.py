"""Scores of fresh runs -> which ideas are better than the baseline, and how sure that is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from airr.config import Metric
from airr.records import BASELINE, Dropped, Failed, Idea, Outcome, Scored, Wanted, Withheld
from airr.significance import LEVEL, holm, welch


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the fresh runs say of an idea. `gain` and `p_value` are against the fresh baseline.

    `p_value` is Welch's, adjusted by Holm for all ideas judged together; None where there is no
    scatter to judge by.
    """

    idea: Idea
    searched: float | None
    scores: tuple[float, ...]
    failures: tuple[Failed | Withheld | Dropped, ...]
    gain: float | None
    p_value: float | None

    @property
    def in_words(self) -> str:
        """Return what to make of it."""
        if self.failures:
            first = self.failures[0]
            runs = len(self.failures) + len(self.scores)
            return f"failed {len(self.failures)} of {runs}: {first.reason}"
        if self.p_value is None or self.gain is None:
            return "too few seeds to tell" if len(self.scores) < 2 else "no scatter to judge by"
        if self.p_value >= LEVEL:
            return f"within noise (p={self.p_value:.2g})"
        return f"{'better' if self.gain > 0 else 'worse'}, p={self.p_value:.2g}"


def judge(
    ideas: Sequence[Idea],
    outcomes: Mapping[Wanted, Outcome],
    searched: Mapping[str, float],
    metric: Metric,
) -> list[Verdict]:
    """Return a verdict for each idea: best first, those with a failed run last."""
    baseline = scores_of(BASELINE, outcomes)
    scores = {idea.id: scores_of(idea.id, outcomes) for idea in ideas}
    p_values = holm([welch(scores[idea.id], baseline) for idea in ideas])
    verdicts = [
        Verdict(
            idea=idea,
            searched=searched.get(idea.id),
            scores=scores[idea.id],
            failures=failures_of(idea.id, outcomes),
            gain=_gain(metric, scores[idea.id], baseline),
            p_value=p_value,
        )
        for idea, p_value in zip(ideas, p_values, strict=True)
    ]
    return sorted(verdicts, key=lambda one: (bool(one.failures), -(one.gain or 0.0), one.idea.id))


def _gain(metric: Metric, scores: Sequence[float], baseline: Sequence[float]) -> float | None:
    return metric.gain(mean(scores), mean(baseline)) if scores and baseline else None


def scores_of(idea_id: str, outcomes: Mapping[Wanted, Outcome]) -> tuple[float, ...]:
    """Return the metrics of a codebase's scored runs, in the order of their seeds."""
    return tuple(
        outcome.metric
        for (name, _), outcome in sorted(outcomes.items())
        if name == idea_id and isinstance(outcome, Scored)
    )


def failures_of(
    idea_id: str, outcomes: Mapping[Wanted, Outcome]
) -> tuple[Failed | Withheld | Dropped, ...]:
    """Return the runs of a codebase that have no score, or one that cannot be."""
    return tuple(
        outcome
        for (name, _), outcome in sorted(outcomes.items())
        if name == idea_id and not isinstance(outcome, Scored)
    )
