"""What a screen saves and what it loses, by how well a short training foretells a whole one.

    python benchmarks/screens.py [--seeds 50] [--epochs 10] [--ideas 40] [--quick]

On the made-up landscape (benchmarks/landscape.py): a score in the screen is the true loss with an
error that an idea has for good, so large that fresh ideas correlate with their true losses as said,
and with the noise that every score has. The rules are those of airr.screens. A run costs its share
of the budget, a failed one too.

First, one epoch: the share of the GPU-hours of full runs for all that is saved, the share of the
truly best ideas that is dropped, and of all ideas that truly beat the baseline. Fresh ideas differ
much; the ideas of a last epoch of evolution differ less, so that the same error misleads more.

Then, whole campaigns at an equal number of GPU-hours: what is saved is spent on further ideas.
Differences are paired by world; intervals are 95 % (Student's t, over worlds).
"""

from __future__ import annotations

import math
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.cohorts import cohorts_of
from airr.config import ScreenSettings, Search
from airr.records import SCORED, Dropped, Reason, Scored, Screening, Stage, Trial
from airr.researcher.strategies import strategy_named
from airr.researcher.strategy import Past, fresh
from airr.screens import Halving
from benchmarks.landscape import NOISE, NOON, UNMODIFIED, Models, World
from benchmarks.search import best_looking, interval, parser_of, settings_of

CORRELATIONS = (0.95, 0.8, 0.6, 0.4)
SCREENS = (((0.25,), 0.5), ((0.25,), 0.25), ((0.1, 0.3), 0.5))
"""Rungs, and the share that goes on from each."""
CAMPAIGNS = (((0.25,), 0.5), ((0.1, 0.3), 0.5))
"""The screens of which whole campaigns are run."""
SPREAD_OF = 200
"""Fresh ideas by which the spread of true losses is measured in each world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """An epoch after its screen: in the order of proposing, with what each trial cost in runs."""

    trials: tuple[Trial, ...]
    costs: tuple[float, ...]


class Screen:
    """Rungs whose errors are as large as a correlation says, in one world."""

    def __init__(
        self, models: Models, settings: ScreenSettings, correlation: float, rng: random.Random
    ) -> None:
        """Measure how far fresh ideas of this world differ, with models of their own."""
        search, metric = settings_of("evolution", 1, SPREAD_OF)
        others = Models(models.world, search, random.Random(0))
        trials = others.answer(fresh(search), 0)
        spread = statistics.pstdev(others.true_loss(one.idea.id) for one in trials)
        self._error = spread * math.sqrt(1 / correlation**2 - 1)
        self._halving = Halving(rungs=settings.rungs, promote=settings.promote, metric=metric)
        self._models = models
        self._rng = rng

    def of(self, cohort: Sequence[Trial]) -> Screened:
        """Take a cohort through all rungs; who goes on keeps the score of its full run."""
        field, costs = [one.idea.id for one in cohort], dict.fromkeys(map(_id, cohort), 0.0)
        outcomes = {one.idea.id: one.outcome for one in cohort}
        misleads = {one: self._rng.gauss(0, self._error) for one in field}
        for rung, share in enumerate(self._halving.rungs):
            for one in field:
                costs[one] += share
            found = [
                self._screening(one, rung, share, misleads[one])
                for one in field
                if isinstance(outcomes[one], Scored)
            ]
            promoted = {*self._halving.promoted(found)}
            for one in found:
                if one.idea_id not in promoted:
                    outcomes[one.idea_id] = _dropped(one.idea_id)
            field = [one for one in field if one in promoted]
        for one in field:
            costs[one] += 1
        trials = tuple(replace(one, outcome=outcomes[one.idea.id]) for one in cohort)
        return Screened(trials=trials, costs=tuple(costs[_id(one)] for one in cohort))

    def _screening(self, idea_id: str, rung: int, share: float, misled: float) -> Screening:
        loss = self._models.true_loss(idea_id) + misled + self._rng.gauss(0, NOISE)
        return Screening(
            idea_id=idea_id,
            rung=rung,
            attempt=0,
            env="landscape",
            share=share,
            budget_seconds=share,
            status=SCORED,
            stage=None,
            reason=None,
            detail="",
            metric=loss,
            standard_error=NOISE,
            train_seconds=0.0,
            score_seconds=0.0,
            wall_seconds=0.0,
            ended_at=NOON,
        )


def _id(trial: Trial) -> str:
    return trial.idea.id


def _dropped(idea_id: str) -> Dropped:
    return Dropped(
        idea_id=idea_id, stage=Stage.SCREEN, reason=Reason.OUTRANKED, detail="", ended_at=NOON
    )


def full_runs(cohort: Sequence[Trial]) -> Screened:
    """Run every idea in full."""
    return Screened(trials=tuple(cohort), costs=(1.0,) * len(cohort))


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a screen did to one epoch. `best` is whether the truly best idea was dropped."""

    saved: float
    best: float
    better: float | None


def effect_of(models: Models, cohort: Sequence[Trial], screen: Screen) -> Effect:
    """Return what a screen saves and loses of a cohort."""
    screened = screen.of(cohort)
    scored = [one.idea.id for one in cohort if isinstance(one.outcome, Scored)]
    lost = {one.idea.id for one in screened.trials if isinstance(one.outcome, Dropped)}
    better = [one for one in scored if models.true_loss(one) < UNMODIFIED]
    return Effect(
        saved=1 - sum(screened.costs) / len(cohort),
        best=float(min(scored, key=models.true_loss) in lost),
        better=statistics.mean(one in lost for one in better) if better else None,
    )


def course_of(
    search: Search, seed: int, budget: int, screen: Callable[[Models], Screen] | None
) -> tuple[float, list[Trial], Models]:
    """Return the true gain of the best-looking idea, the last whole cohort, and its models."""
    _, metric = settings_of("evolution", search.epochs, search.ideas_per_epoch)
    models = Models(World.of(random.Random(seed)), search, random.Random(f"{seed}/evolution"))
    tried_by = screen(models).of if screen else full_runs
    past = Past(trials=(), baseline=models.baseline(1), metric=metric)
    spent, tried, last = sum(search.screen.rungs), list[Trial](), list[Trial]()
    for cohort in cohorts_of(search):
        place = random.Random(f"{seed}/{cohort.epoch}")
        requests = strategy_named(search.name)(past, cohort.epoch, search, place)
        proposed = models.answer(requests, cohort.epoch)
        screened = tried_by(proposed)
        for trial, cost in zip(screened.trials, screened.costs, strict=True):
            if spent + cost > budget:
                break
            spent += cost
            tried.append(trial)
        else:
            last = proposed
            past = replace(past, trials=tuple(tried))
            continue
        break
    return UNMODIFIED - models.true_loss(best_looking(tried).idea.id), last, models


def epochs_table(seeds: int, epochs: int, ideas: int) -> Iterable[Table]:
    """Yield what screens do to a first epoch, and to a last one of evolution."""
    search, _ = settings_of("evolution", epochs, ideas)
    for name, epoch in (("fresh ideas", 1), (f"the ideas of epoch {epochs} of evolution", epochs)):
        table = Table(title=f"one epoch of {ideas} ideas: {name}; {seeds} worlds")
        for head in ("rungs", "promote", "correlation", "saved", "best lost", "better lost"):
            table.add_column(head, justify="right")
        cohorts = [
            course_of(replace(search, epochs=epoch), seed, epochs * ideas, None)[1:]
            for seed in range(seeds)
        ]
        for rungs, promote in SCREENS:
            settings = ScreenSettings(rungs=rungs, promote=promote, env=None)
            for correlation in CORRELATIONS:
                effects = [
                    effect_of(
                        models,
                        cohort,
                        Screen(models, settings, correlation, random.Random(f"{seed}/screen")),
                    )
                    for seed, (cohort, models) in enumerate(cohorts)
                ]
                better = [one.better for one in effects if one.better is not None]
                table.add_row(
                    ", ".join(map(str, rungs)),
                    str(promote),
                    str(correlation),
                    interval([one.saved for one in effects]),
                    interval([one.best for one in effects]),
                    interval(better),
                )
        yield table


def campaigns_table(seeds: int, epochs: int, ideas: int) -> Table:
    """Return whole campaigns with and without a screen, at equal GPU-hours."""
    search, _ = settings_of("evolution", epochs, ideas)
    budget = epochs * ideas + 1
    plain = [course_of(search, seed, budget, None)[0] for seed in range(seeds)]
    table = Table(
        title=f"campaigns of {epochs * ideas} full runs' worth; {seeds} worlds",
        caption="true gain in nats of the idea that looked best; - full runs: paired",
    )
    for head in ("search.screen", "correlation", "gain", "- full runs", "better in"):
        table.add_column(head, justify="left" if head == "search.screen" else "right")
    table.add_row("none", "", interval(plain), "", "")
    for rungs, promote in CAMPAIGNS:
        settings = ScreenSettings(rungs=rungs, promote=promote, env=None)
        longer = replace(search, screen=settings, epochs=4 * epochs)
        for correlation in CORRELATIONS:

            def screen(models: Models) -> Screen:
                rng = random.Random("screen")
                return Screen(models, settings, correlation, rng)  # noqa: B023 - called at once

            gains = [course_of(longer, seed, budget, screen)[0] for seed in range(seeds)]
            gaps = [one - other for one, other in zip(gains, plain, strict=True)]
            table.add_row(
                f"rungs={[*rungs]} promote={promote}",
                str(correlation),
                interval(gains),
                interval(gaps, "+"),
                f"{statistics.mean(gap > 0 for gap in gaps):.0%}",
            )
    return table


def main() -> None:
    """Print both kinds of tables."""
    asked = parser_of(__doc__).parse_args()
    seeds = 3 if asked.quick else asked.seeds
    console = Console(width=110 if not sys.stdout.isatty() else None, highlight=False)
    for table in epochs_table(seeds, asked.epochs, asked.ideas):
        console.print(table)
    console.print(campaigns_table(seeds, asked.epochs, asked.ideas))


if __name__ == "__main__":
    main()
