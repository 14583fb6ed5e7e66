"""What stands in a campaign's ledger -> what is still to come, and what that may cost. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airr.cohorts import Cohort
from airr.config import Implement, Metric, Search
from airr.estimates import Seeding
from airr.records import Idea, Outcome, Wanted
from airr.screens import SoFar, left_to_screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a campaign has still to do. `runs` are the full ones of each stretch, in order.

    A stretch ends before the next begins: first the baseline, then one epoch after the other.
    `screens` are the runs at each rung of the screen, of the same stretches; of those, and of the
    full runs after a screen, there are at most so many.
    """

    runs: tuple[int, ...]
    screens: tuple[tuple[int, ...], ...] = ()
    to_propose: tuple[int, ...]
    """Ideas to ask for, by cohort."""
    to_implement: int
    repeats: int
    """Further seeds of ideas, at most: only those that beat the baseline get them."""

    @property
    def total_runs(self) -> int:
        """Return how many full runs there are to come, open ones included, retries left out."""
        return sum(self.runs)

    @property
    def most_runs(self) -> int:
        """Return how many there are at most, with all further seeds."""
        return self.total_runs + self.repeats

    @property
    def stretches(self) -> tuple[int, ...]:
        """Return how many runs become ready together, in order: at each rung, and full ones."""
        return tuple(runs for runs, _ in self.in_order)

    @property
    def in_order(self) -> tuple[tuple[int, int | None], ...]:
        """Return the same with the rung that they are at, which is None for full runs."""
        found: list[tuple[int, int | None]] = []
        for place, full in enumerate(self.runs):
            screened = [(runs[place], rung) for rung, runs in enumerate(self.screens)]
            found += [(full, None), *screened] if place == 0 else [*screened, (full, None)]
        return tuple(found)


def left_of(  # noqa: PLR0913 - all that a ledger says of it
    cohorts: Iterable[Cohort],
    ideas: Sequence[Idea],
    outcomes: Mapping[Wanted, Outcome],
    *,
    seeding: Seeding,
    metric: Metric,
    patched: Collection[str] = (),
    screen: SoFar | None = None,
) -> Left:
    """Return what is left after these outcomes; `patched` are the ids of ideas with a codebase.

    `screen` is how far the screen is, where there is one.
    """
    proposed = {idea.place for idea in ideas}
    due = [cohort for cohort in cohorts if proposed.isdisjoint(cohort.places)]
    open_ideas = [idea for idea in ideas if (idea.id, 0) not in outcomes]
    runs = Counter(idea.epoch for idea in open_ideas)
    for cohort in due:
        runs[cohort.epoch] += cohort.size
    to_implement = runs.total() - sum(idea.id in patched for idea in open_ideas)
    to_screen = [screen.baseline_left] if screen else []
    for epoch in sorted(runs):
        if screen is None:
            break
        own = sorted((idea for idea in ideas if idea.epoch == epoch), key=lambda one: one.place)
        ended = {idea.id for idea in own if (idea.id, 0) in outcomes}
        unknown = sum(cohort.size for cohort in due if cohort.epoch == epoch)
        left = left_to_screen([idea.id for idea in own], unknown, ended, screen)
        to_screen.append(left.rungs)
        runs[epoch] = max(1, left.full)  # what is open is never taken for nothing to do
    return Left(
        runs=(seeding.baseline_left(outcomes), *(runs[epoch] for epoch in sorted(runs))),
        screens=tuple(zip(*to_screen, strict=True)),
        to_propose=tuple(cohort.size for cohort in due),
        to_implement=to_implement,
        repeats=seeding.repeats_left(outcomes, metric) + seeding.repeats * runs.total(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """What a number of runs may take. `most` is with every second of every limit used up."""

    gpu_training: float
    gpu_most: float
    node_most: float

    def __add__(self, other: Hours) -> Hours:
        """Return what two numbers of runs may take together."""
        return Hours(
            gpu_training=self.gpu_training + other.gpu_training,
            gpu_most=self.gpu_most + other.gpu_most,
            node_most=self.node_most + other.node_most,
        )


def hours_of(
    runs: int, *, nodes: int, gpus: int, budget_seconds: float, score_seconds: float
) -> Hours:
    """Return the GPU-hours and node-hours of runs without retries; `gpus` are those of a node."""
    node_seconds = runs * nodes * (budget_seconds + score_seconds)
    return Hours(
        gpu_training=runs * nodes * gpus * budget_seconds / 3600,
        gpu_most=gpus * node_seconds / 3600,
        node_most=node_seconds / 3600,
    )


def policy_hours(
    epochs: int, *, nodes: int, gpus: int, sample_seconds: float, update_seconds: float
) -> float:
    """Return the GPU-hours that the jobs on a policy may take, two an epoch, with all limits."""
    return epochs * nodes * gpus * (sample_seconds + update_seconds) / 3600


def full_tasks(left: Left, pack: int) -> int:
    """Return how many tasks the runs make, if as many as may share one always do."""
    return sum(math.ceil(runs / pack) for runs in left.runs)


def least_seconds(stretches: Sequence[int], budget_seconds: float, at_once: int | None) -> float:
    """Return how long the trainings take at least, if each uses its whole budget.

    `at_once` bounds the runs side by side; None leaves them unbounded.
    """
    rounds = (math.ceil(runs / (at_once or max(runs, 1))) for runs in stretches)
    return sum(rounds) * budget_seconds


def arrays_of(left: Left, largest: int) -> tuple[int, int]:
    """Return how many job arrays there will be: the fewest, and the most.

    An array holds what is ready at one moment, and at most `largest` runs.
    """
    stretches = left.stretches
    return sum(math.ceil(runs / largest) for runs in stretches), sum(stretches)


def ideator_calls(left: Left, search: Search) -> int:
    """Return how many calls ask for ideas, if each asks for as many as one may.

    Searches that ask for the children of one parent at a time ask more often, and so does a model
    that repeats itself.
    """
    return sum(math.ceil(count / search.ideas_per_call) for count in left.to_propose)


def implementer_calls(left: Left, implement: Implement) -> tuple[int, int]:
    """Return how many calls ask for diffs: if the first of each idea passes, and at most.

    At most, only the last revision of every question passes, and crashes as often as is mended.
    """
    most = (implement.samples + implement.repair_runs) * (implement.revisions + 1)
    return left.to_implement, left.to_implement * most
