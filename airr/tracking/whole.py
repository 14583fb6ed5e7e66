"""A campaign's facts -> the one run of wandb that is the campaign as a whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airr.plain import plain
from airr.records import Update
from airr.reporting.terminal import best_line, lines_of
from airr.reporting.tree import CampaignFacts, EpochFacts, Fate, Report
from airr.tracking.mirrored import History, MirroredRun

LEARNED = ("reward_mean", "reward_max", "loss", "grad_norm", "entropy", "kl", "clipped")
"""What the update of a policy is drawn by, of `Update`."""


def whole_of(
    report: Report,
    *,
    uid: str,
    settings: Mapping[str, Any],
    updates: Sequence[Update] = (),
    log: str = "",
) -> MirroredRun:
    """Return a campaign as a run: how it stands, epoch by epoch and by what it has spent.

    `report` is that of this campaign alone. `settings` are those it was started with, `updates`
    those of its policy if one is trained, and `log` is its head's.
    """
    (facts,) = report.campaigns
    spent = "gpu_hours" if facts.spent_unit == "GPU-hours" else "training_hours"
    progress = tuple({spent: one.spent, "best": one.metric} for one in facts.progress)
    epochs = tuple(_epoch(epoch) for epoch in facts.epochs)
    return MirroredRun(
        id=f"{uid}-campaign",
        name=facts.name,
        group=facts.name,
        job_type="campaign",
        notes=best_line(facts),
        config={"campaign": facts.name, "models": facts.models, "settings": dict(settings)},
        summary=_summary(facts),
        histories=(
            History(step="epoch", rows=epochs),
            History(step=spent, rows=progress),
            History(step="update", rows=tuple(map(_update, updates))),
        ),
        files={"report.txt": "\n".join(lines_of(report)) + "\n"},
        log=plain(log),
    )


def _update(update: Update) -> dict[str, float]:
    values = {f"policy/{name}": getattr(update, name) for name in LEARNED}
    shown = {name: value for name, value in values.items() if value is not None}
    return {"update": update.epoch, **shown}


def _epoch(epoch: EpochFacts) -> dict[str, float]:
    named = {
        "best_so_far": epoch.best_so_far.metric if epoch.best_so_far else None,
        "best_of_epoch": epoch.best.metric if epoch.best else None,
        "median_of_epoch": epoch.median,
    }
    scores = {name: value for name, value in named.items() if value is not None}
    unscored = {Fate.FAILED, Fate.DROPPED, Fate.WITHHELD, Fate.OPEN}
    counts = {
        "proposed": epoch.proposed,
        "scored": sum(n for fate, n in epoch.fates.items() if fate not in unscored),
        "failed": epoch.fates.get(Fate.FAILED, 0),
    }
    return {"epoch": epoch.epoch, **scores, **counts}


def _summary(facts: CampaignFacts) -> dict[str, float | str]:
    metric, cost = facts.metric.name, facts.cost
    summary: dict[str, float | str] = {
        f"ideas/{fate.replace(' ', '_')}": count for fate, count in facts.fates.items()
    }
    summary |= {"ideas/all": len(facts.ideas), "gpu_hours": cost.gpu_hours}
    summary |= {"usd": cost.usd, "calls": cost.calls, "standing": best_line(facts)}
    if facts.baseline:
        summary["baseline"] = facts.baseline.metric
    if facts.best and facts.best_score:
        summary |= {metric: facts.best_score.metric, "best_idea": facts.best}
    if facts.best_gain:
        summary["gain"] = facts.best_gain.value
    return summary
