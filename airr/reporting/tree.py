"""What a report says, as one tree of plain facts: page, JSON and terminal all show this one.

Nothing here is a sentinel: what has no score has `score=None`, and what has no baseline to be
compared with has `gain=None`. Field names are the keys of `format=json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What became of an idea, beside the baseline; a difference within noise is no better."""

    BETTER = "better"
    """Beyond twice the standard error of the difference, in the metric's direction."""
    NOISE = "within noise"
    """Scored; the difference lies within twice its standard error, or that is not known."""
    WORSE = "worse"
    """Beyond twice the standard error of the difference, against the metric's direction."""
    UNCOMPARED = "not compared"
    """Scored in a campaign whose baseline has no score."""
    WITHHELD = "withheld"
    """Measured, and too good to be believed before it is verified."""
    DROPPED = "dropped"
    """Others did better: it had no full run. `stage` and `reason` say where and why."""
    FAILED = "failed"
    """It has no score; `stage` and `reason` say why."""
    OPEN = "open"
    """It has no outcome yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A value of the environment's metric, with its standard error where the scorer knows one.

    It is the mean over `seeds` runs, one of which is the rule.
    """

    metric: float
    error: float | None
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """By how much a score beats the baseline: positive is better.

    `low` and `high` are two standard errors of the difference away; null where it has none.
    """

    value: float
    error: float | None
    low: float | None
    high: float | None
    is_noise: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What something used up; `usd` leaves out the `unpriced` calls, whose price is not known."""

    calls: int
    tokens: int
    usd: float
    unpriced: int
    gpu_hours: float
    train_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One answer of the implementer, and what the gates said of it."""

    title: str
    applied: bool
    verdict: str
    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of an idea's codebase on a node."""

    id: str
    node: str
    state: str
    detail: str
    train_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedOutcome:
    """What one seed of an idea came to: the campaign's own plus `repeat`; `why` it has no score."""

    repeat: int
    metric: float | None
    error: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What training told of itself, step by step. It counts for nothing: only the scorer does."""

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What is read of one idea at a time, and is large."""

    revisions: tuple[Revision, ...]
    attempts: tuple[Attempt, ...]
    seeds: tuple[SeedOutcome, ...]
    curve: Curve | None
    log_tail: str
    reported: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdeaFacts:
    """One idea and what came of it; it patches the codebase of `base`, null for the baseline's."""

    id: str
    epoch: int
    origin: str
    model: str
    title: str
    text: str
    base: str | None
    parents: tuple[str, ...]
    children: tuple[str, ...]
    fate: Fate
    stage: str | None
    reason: str | None
    why: str
    score: Score | None
    gain: Gain | None
    cost: Cost
    detail: Detail


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFacts:
    """What came of the ideas of one epoch; `best_so_far` counts the epochs before it too."""

    epoch: int
    proposed: int
    fates: Mapping[str, int]
    best: Score | None
    median: float | None
    best_so_far: Score | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningFacts:
    """One epoch of a policy that is trained: is the mean up, is the maximum, do ideas converge.

    Rewards are the environment's, 0 for a failure; `scored_mean` is that of scored ideas alone.
    `similarity` is the mean over all pairs, `top_share` that of the two commonest clusters; tokens
    are means of a rollout; entropy and kl are nats per token. These and how long the epoch's jobs
    took, to sample and to update, are null before the update.
    """

    epoch: int
    mean: float
    scored_mean: float | None
    execution_rate: float
    maximum: float | None
    best_so_far: float | None
    ideas: int
    distinct: int
    similarity: float
    top_share: float
    thinking_tokens: float
    idea_tokens: float
    entropy: float | None
    kl: float | None
    sample_seconds: float | None
    update_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The best score after so much had been spent; `spent` is in the campaign's `spent_unit`."""

    spent: float
    idea: str
    metric: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the execution funnel: how many got past it, and what ended the others there."""

    name: str
    passed: int
    lost: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RungFacts:
    """One rung of the screen, and its `name`: a run had that `share` of the budget of `env`.

    Of the ideas that were tried, some failed, some were dropped, some promoted to the next rung or
    a full run; the others wait. The hours are of all attempts, the baseline's too. `scores` are by
    idea id: they compare with `baseline` and each other alone.

    `rank_correlation` is Spearman's, of these scores with those of full runs, over the `pairs` of
    ideas that have both, all of them promoted; null where they are too few, as is `p_value`.
    """

    rung: int
    name: str
    env: str
    share: float
    gpu_hours: float
    train_seconds: float
    tried: int
    failed: int
    dropped: int
    promoted: int
    waiting: int
    baseline: float | None
    scores: Mapping[str, float]
    pairs: int
    rank_correlation: float | None
    p_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """What the scorer measures."""

    name: str
    unit: str
    minimize: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFacts:
    """One campaign. `best` is the id of its best scored idea, null where there is none.

    `screen` is empty where no idea was tried at a rung of one, `learning` where no policy was
    trained.
    """

    name: str
    env: str
    title: str
    strategy: str
    models: str
    shielded: bool
    epochs_wanted: int
    ideas_wanted: int
    metric: MetricFacts
    baseline: Score | None
    best: str | None
    best_score: Score | None
    best_gain: Gain | None
    fates: Mapping[str, int]
    cost: Cost
    spent_unit: str
    epochs: tuple[EpochFacts, ...]
    progress: tuple[Progress, ...]
    funnel: tuple[Step, ...]
    screen: tuple[RungFacts, ...]
    learning: tuple[LearningFacts, ...]
    ideas: tuple[IdeaFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Campaigns side by side, as they stood at `made_at` (UTC)."""

    made_at: str
    airr_version: str
    campaigns: tuple[CampaignFacts, ...]
