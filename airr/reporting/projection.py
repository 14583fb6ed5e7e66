"""A campaign's rows -> the facts that a report shows of it. Pure: one projection for all forms."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from airr.config import Direction, Metric
from airr.display.tables import counted
from airr.estimates import seeds_of, settled
from airr.records import (
    BASELINE,
    FAILED,
    Call,
    Dropped,
    Failed,
    Idea,
    Outcome,
    OutcomeRow,
    Patch,
    Run,
    Scored,
    Screening,
    Update,
    Withheld,
    how_it_ended,
    outcome_of,
    outcomes_of,
)
from airr.reporting.costs import Costs
from airr.reporting.curves import curve_of
from airr.reporting.fates import fate_of, gain_of, score_of
from airr.reporting.learning import learning_of
from airr.reporting.pace import epochs_of, funnel_of, progress_of
from airr.reporting.screens import screen_of
from airr.reporting.tree import (
    Attempt,
    CampaignFacts,
    Cost,
    Detail,
    Fate,
    IdeaFacts,
    MetricFacts,
    Revision,
    SeedOutcome,
)
from airr.summary import Best, best_first, best_ideas
from airr.titles import titles_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a campaign's files say; `logs` are whole training logs, by idea, where they are kept."""

    ideas: Sequence[Idea]
    patches: Sequence[Patch]
    calls: Sequence[Call]
    runs: Sequence[Run]
    screens: Sequence[Screening]
    outcomes: Sequence[OutcomeRow]
    updates: Sequence[Update]
    logs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Which campaign it is, and what it was to do."""

    name: str
    env: str
    title: str
    strategy: str
    models: str
    shielded: bool
    epochs: int
    ideas_per_epoch: int
    metric: Metric


def campaign_facts(subject: Subject, rows: Rows) -> CampaignFacts:
    """Return all that a report says of one campaign."""
    found = outcomes_of(rows.outcomes)
    outcomes, seeds = settled(found), seeds_of(found)
    by_id = {idea.id: idea for idea in rows.ideas}
    compared = best_ideas(by_id, outcomes, subject.metric, len(by_id))
    ideas = _ideas(rows, outcomes, {best.idea.id: best for best in compared}, seeds)
    best = next(iter(best_first(by_id, outcomes, subject.metric)), None)
    baseline = outcomes.get(BASELINE)
    scores = score_of(baseline, seeds) if isinstance(baseline, Scored) else None
    unit, progress = progress_of(rows.runs, outcomes, by_id, subject.metric)
    return CampaignFacts(
        name=subject.name,
        env=subject.env,
        title=subject.title,
        strategy=subject.strategy,
        models=subject.models,
        shielded=subject.shielded,
        epochs_wanted=subject.epochs,
        ideas_wanted=subject.epochs * subject.ideas_per_epoch,
        metric=MetricFacts(
            name=subject.metric.name,
            unit=subject.metric.unit,
            minimize=subject.metric.direction is Direction.MINIMIZE,
        ),
        baseline=scores,
        best=best.idea_id if best else None,
        best_score=score_of(best, seeds) if best else None,
        best_gain=gain_of(compared[0]) if compared else None,
        fates=_counts(ideas),
        cost=_with_policy(Costs.of(rows.ideas, rows.calls, rows.runs).whole, rows.updates),
        spent_unit=unit,
        epochs=epochs_of(ideas, subject.metric),
        progress=progress,
        funnel=funnel_of(ideas, {one.idea_id for one in rows.screens if one.status == FAILED}),
        screen=screen_of(subject.env, rows.screens, rows.runs, outcomes),
        learning=learning_of(rows.ideas, found, rows.updates),
        ideas=ideas,
    )


def _with_policy(cost: Cost, updates: Sequence[Update]) -> Cost:
    """Return a campaign's cost with that of the jobs on its policy."""
    hours = sum(update.gpu_seconds for update in updates) / 3600
    return replace(cost, gpu_hours=cost.gpu_hours + hours)


def _ideas(
    rows: Rows,
    outcomes: Mapping[str, Outcome],
    bests: Mapping[str, Best],
    seeds: Mapping[str, int],
) -> tuple[IdeaFacts, ...]:
    patches: dict[str, list[Patch]] = defaultdict(list)
    runs: dict[str, list[Run]] = defaultdict(list)
    children: dict[str, list[str]] = defaultdict(list)
    repeats: dict[str, list[OutcomeRow]] = defaultdict(list)
    for row in rows.outcomes:
        repeats[row.idea_id].append(row)
    for patch in rows.patches:
        patches[patch.idea_id].append(patch)
    for run in rows.runs:
        runs[run.idea_id].append(run)
    for idea in rows.ideas:
        for parent in idea.parents:
            children[parent].append(idea.id)
    costs = Costs.of(rows.ideas, rows.calls, rows.runs)
    titles = titles_of({idea.id: idea.text for idea in rows.ideas})
    facts: list[IdeaFacts] = []
    for idea in rows.ideas:
        outcome = outcomes.get(idea.id)
        best = bests.get(idea.id)
        ended = outcome if isinstance(outcome, Failed | Withheld | Dropped) else None
        facts.append(
            IdeaFacts(
                id=idea.id,
                epoch=idea.epoch,
                origin=idea.origin,
                model=idea.model,
                title=titles[idea.id].within(),
                text=idea.text,
                base=idea.base,
                parents=idea.parents,
                children=tuple(children[idea.id]),
                fate=fate_of(outcome, best),
                stage=ended.stage if isinstance(ended, Failed | Dropped) else None,
                reason=ended.reason if ended else None,
                why=f"{how_it_ended(ended)}: {ended.detail}" if ended else "",
                score=score_of(outcome, seeds) if isinstance(outcome, Scored) else None,
                gain=gain_of(best) if best else None,
                cost=costs.of_idea(idea.id),
                detail=_detail(
                    patches[idea.id],
                    runs[idea.id],
                    outcome,
                    repeats[idea.id],
                    rows.logs.get(idea.id, ""),
                ),
            )
        )
    return tuple(facts)


def _counts(ideas: Sequence[IdeaFacts]) -> dict[str, int]:
    counts = Counter(idea.fate for idea in ideas)
    return {fate: counts[fate] for fate in Fate}


def _detail(
    patches: Sequence[Patch],
    runs: Sequence[Run],
    outcome: Outcome | None,
    repeats: Sequence[OutcomeRow],
    log: str,
) -> Detail:
    """Return an idea's large parts; `outcome` is that of all of its seeds, which are `repeats`."""
    tail = outcome.log_tail if outcome else ""
    reported = outcome.reported if outcome else {}
    return Detail(
        revisions=tuple(_revision(patch) for patch in patches),
        attempts=tuple(
            Attempt(
                id=run.id,
                node=run.node,
                state=run.state,
                detail=run.detail,
                train_seconds=run.train_seconds,
            )
            for run in runs
        ),
        seeds=tuple(map(_seed, repeats)) if len(repeats) > 1 else (),
        curve=curve_of(log or tail),
        log_tail=tail,
        reported={name: value for name, value in reported.items() if math.isfinite(value)},
    )


def _seed(row: OutcomeRow) -> SeedOutcome:
    outcome = outcome_of(row)
    if isinstance(outcome, Scored):
        metric, error, why = outcome.metric, outcome.standard_error, ""
    else:
        metric, error, why = None, None, how_it_ended(outcome)
    return SeedOutcome(repeat=row.repeat, metric=metric, error=error, why=why)


def _revision(patch: Patch) -> Revision:
    mended = f", mending {patch.mends}" if patch.mends else ""
    size = f"{counted(patch.files_changed, 'file')}, +{patch.lines_added} -{patch.lines_removed}"
    refused = f"{patch.reason} while {patch.stage}: {patch.detail}"
    return Revision(
        title=f"answer {patch.sample + 1}, revision {patch.revision}{mended}",
        applied=patch.applied,
        verdict=size if patch.applied else refused,
        diff=patch.diff,
    )
