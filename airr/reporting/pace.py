"""Ideas and outcomes -> how a campaign went: epochs, best so far, execution funnel. Pure."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from airr.config import Metric
from airr.records import BASELINE, Outcome, Run, Scored, Stage
from airr.reporting.tree import EpochFacts, Fate, IdeaFacts, Progress, Score, Step

PASSES: Mapping[Stage, str] = {
    Stage.IMPLEMENT: "implemented",
    Stage.PREFLIGHT: "passed the preflight",
    Stage.QUEUE: "started on a node",
    Stage.SCREEN: "passed the screen",
    Stage.TRAIN: "trained",
    Stage.SCORE: "scored",
}
"""The steps of an idea's way, and what one may say of it that passed each."""


def epochs_of(ideas: Sequence[IdeaFacts], metric: Metric) -> tuple[EpochFacts, ...]:
    """Return what came of each epoch that has ideas."""
    by_epoch: dict[int, list[IdeaFacts]] = defaultdict(list)
    for idea in ideas:
        by_epoch[idea.epoch].append(idea)
    epochs: list[EpochFacts] = []
    so_far: Score | None = None
    for epoch, own in sorted(by_epoch.items()):
        scores = [idea.score for idea in own if idea.score]
        best = _best(scores, metric)
        so_far = _best([score for score in (so_far, best) if score], metric)
        epochs.append(
            EpochFacts(
                epoch=epoch,
                proposed=len(own),
                fates=dict(Counter(str(idea.fate) for idea in own)),
                best=best,
                median=statistics.median(s.metric for s in scores) if scores else None,
                best_so_far=so_far,
            )
        )
    return tuple(epochs)


def _best(scores: Sequence[Score], metric: Metric) -> Score | None:
    """Return the best of some scores, the earlier of equals."""
    return max(scores, key=lambda score: metric.gain(score.metric, 0.0), default=None)


def progress_of(
    runs: Sequence[Run], outcomes: Mapping[str, Outcome], ideas: Collection[str], metric: Metric
) -> tuple[str, tuple[Progress, ...]]:
    """Return the best score over what had been spent until then, and the unit of that.

    It begins with the baseline. Where no GPU was used, hours of training stand for GPU-hours.
    """
    has_gpus = any(run.gpu_seconds for run in runs)
    firsts = [run for run in runs if run.repeat == 0 and run.rung is None]
    ends = {(run.idea_id, run.attempt): run.ended_at for run in firsts}
    scored = [
        (ends.get((idea, outcome.attempt), outcome.ended_at), idea, outcome)
        for idea, outcome in outcomes.items()
        if isinstance(outcome, Scored) and (idea in ideas or idea == BASELINE)
    ]
    scored.sort(key=lambda one: (one[1] != BASELINE, one[0], one[1]))
    costs = sorted(
        (run.ended_at, run.gpu_seconds if has_gpus else run.train_seconds) for run in runs
    )
    progress: list[Progress] = []
    spent, paid = 0.0, 0
    for ended_at, idea, outcome in scored:
        while paid < len(costs) and costs[paid][0] <= ended_at:
            spent += costs[paid][1] / 3600
            paid += 1
        if not progress or metric.is_better(outcome.metric, progress[-1].metric):
            progress.append(Progress(spent=spent, idea=idea, metric=outcome.metric))
    if progress:
        whole = sum(seconds for _, seconds in costs) / 3600
        progress.append(Progress(spent=whole, idea=progress[-1].idea, metric=progress[-1].metric))
    return ("GPU-hours" if has_gpus else "hours of training"), tuple(progress)


def funnel_of(
    ideas: Sequence[IdeaFacts], failed_in_screen: Collection[str] = ()
) -> tuple[Step, ...]:
    """Return how far the ideas came that have an outcome, and what ended the others on the way.

    A withheld score was measured, and is lost at the last step, where nobody believes it yet. Of
    those in `failed_in_screen`, by their ids, none had a full training or a score of one.
    """
    settled = [idea for idea in ideas if idea.fate is not Fate.OPEN]
    waiting = len(ideas) - len(settled)
    steps = [Step(name="proposed", passed=len(ideas), lost={"open": waiting} if waiting else {})]
    left = len(settled)
    for stage, name in PASSES.items():
        lost = Counter(
            _loss(idea) for idea in settled if _stage_of(idea, failed_in_screen) == stage
        )
        if stage is Stage.SCREEN and not lost:
            continue  # most campaigns have no screen
        left -= lost.total()
        steps.append(Step(name=name, passed=left, lost=dict(lost.most_common())))
    better = sum(idea.fate is Fate.BETTER for idea in settled)
    steps.append(Step(name="better than the baseline", passed=better, lost={}))
    return tuple(steps)


def _stage_of(idea: IdeaFacts, failed_in_screen: Collection[str]) -> str | None:
    """Return at which step an idea was lost; what failed to be proposed never was implemented."""
    if idea.fate is Fate.WITHHELD:
        return Stage.SCORE
    if idea.id in failed_in_screen and idea.stage in (Stage.TRAIN, Stage.SCORE):
        return Stage.SCREEN
    return Stage.IMPLEMENT if idea.stage == Stage.IDEATE else idea.stage


def _loss(idea: IdeaFacts) -> str:
    return "withheld" if idea.fate is Fate.WITHHELD else str(idea.reason)
