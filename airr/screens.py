"""Which ideas go on from one rung of a screen to the next: successive halving. Pure.

After Jamieson and Talwalkar (arXiv 1502.07943): all ideas of an epoch are tried with a small share
of the budget, and the best share of those that it scores goes on to the next rung, at last to a
full run. A rung is decided when all of its ideas have come to something, so the order in which they
do decides nothing. (The asynchronous form, arXiv 1810.05934, would promote earlier, and by order.)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airr.config import Config, Metric
from airr.records import BASELINE, SCORED, Screening

ROUNDING = 1e-9
"""0.1 of 30 is 3, whatever floats make of it."""


def in_words(share: float, elsewhere: str = "") -> str:
    """Return how long training is at a rung; `elsewhere` is its environment, if it has its own."""
    return f"{100 * share:.3g} % of the budget" + (f" of env={elsewhere}" if elsewhere else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Halving:
    """The settings that decisions rest on: shares of the budget, and the share that goes on."""

    rungs: tuple[float, ...]
    promote: float
    metric: Metric

    def going_on(self, scored: int) -> int:
        """Return how many ideas go on from a rung that has scored so many: one at least, if any."""
        return max(min(1, scored), math.ceil(self.promote * scored - ROUNDING))

    def ranked(self, screenings: Sequence[Screening]) -> list[Screening]:
        """Return those of one rung that are scored, best first, equals in the order given."""
        scored = [one for one in screenings if one.status == SCORED and one.metric is not None]
        return sorted(scored, key=lambda one: -self.metric.gain(one.metric or 0.0, over=0.0))

    def promoted(self, screenings: Sequence[Screening]) -> list[str]:
        """Return the ideas that go on from a rung, best first.

        `screenings` are all of the rung, in the order in which the ideas were proposed: of equals
        the earlier goes on.
        """
        ranked = self.ranked(screenings)
        return [one.idea_id for one in ranked[: self.going_on(len(ranked))]]


def halving_of(config: Config) -> Halving | None:
    """Return how a campaign screens its ideas, or None where it does not."""
    screen = config.search.screen
    if not screen.rungs:
        return None
    metric = (screen.env or config.env).metric
    return Halving(rungs=screen.rungs, promote=screen.promote, metric=metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToScreen:
    """What an epoch has still to run: so many screenings at each rung, then full runs, at most."""

    rungs: tuple[int, ...]
    full: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """A screen, and what has come of it."""

    halving: Halving
    found: Mapping[tuple[str, int], Screening]
    """By idea and rung."""

    @property
    def baseline_left(self) -> tuple[int, ...]:
        """Return how often the unmodified codebase is still to be run, by rung."""
        return tuple(
            int((BASELINE, rung) not in self.found) for rung in range(len(self.halving.rungs))
        )


def screen_so_far(config: Config, rows: Iterable[Screening] = ()) -> SoFar | None:
    """Return how far the screen of a campaign is, by the ledger's rows; None without a screen."""
    halving = halving_of(config)
    return halving and SoFar(halving=halving, found={(one.idea_id, one.rung): one for one in rows})


def left_to_screen(
    ideas: Sequence[str], to_propose: int, ended: Collection[str], so_far: SoFar
) -> ToScreen:
    """Return what is left of an epoch with these ideas, and so many more that nobody knows yet.

    `ended` are the ideas with an outcome. What is not decided yet counts with the most it may be.
    """
    halving, screens = so_far.halving, so_far.found
    field, unknown = list(ideas), to_propose
    left: list[int] = []
    for number in range(len(halving.rungs)):
        due = [one for one in field if (one, number) not in screens and one not in ended]
        left.append(len(due) + unknown)
        known = [screens[one, number] for one in field if (one, number) in screens]
        if due or unknown:
            # all that are due may be scored: then so many go on, of whom nothing is known yet
            scored = len(halving.ranked(known)) + len(due) + unknown
            field, unknown = [], halving.going_on(scored)
        else:
            field = halving.promoted(known)
    return ToScreen(rungs=tuple(left), full=unknown + sum(one not in ended for one in field))
