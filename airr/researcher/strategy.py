"""What a search strategy is: a pure function from what was tried to what to ask for next."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airr.config import Metric, Search
from airr.estimates import cautious_gain
from airr.records import Origin, Reason, Scored, Trial

MENDABLE = frozenset(
    {
        Reason.NO_PATCH,
        Reason.EMPTY_PATCH,
        Reason.LOCKED_FILE,
        Reason.TOO_LARGE,
        Reason.SYNTAX,
        Reason.CUT_OFF,
        Reason.CRASH,
        Reason.OOM,
        Reason.OVER_BUDGET,
        Reason.NO_CHECKPOINT,
        Reason.BAD_CHECKPOINT,
        Reason.NOT_FINITE,
        Reason.DISK_FULL,
        Reason.TOO_MANY_PROCESSES,
    }
)
"""Failures that another version of an idea may avoid: not the cluster's, nor those of cheats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdeaRequest:
    """One call for ideas: how many, of which origin, and which trials stand in the prompt.

    An idea to exploit or to debug that names no parent is a child of the trial shown, if it is one.
    `member` is who is asked, where several models propose; strategies leave it open.
    """

    origin: Origin
    count: int
    shown: tuple[Trial, ...] = ()
    island: int | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All that a strategy may look at; `trials` come in the order of their ids."""

    trials: tuple[Trial, ...]
    baseline: Scored
    metric: Metric

    def better_than_baseline(self, caution: float) -> tuple[Trial, ...]:
        """Return the scored trials that beat the baseline, best first.

        Each counts with the bound that lies `caution` standard errors on the worse side of it.
        """
        gains = [
            (cautious_gain(trial.outcome, self.baseline, self.metric, caution), trial)
            for trial in self.trials
            if isinstance(trial.outcome, Scored)
        ]
        better = [(gain, trial) for gain, trial in gains if gain > 0]
        better.sort(key=lambda pair: (-pair[0], pair[1].idea.id))
        return tuple(trial for _, trial in better)


Strategy = Callable[[Past, int, Search, random.Random], tuple[IdeaRequest, ...]]
"""(past, epoch, settings, rng) -> the requests of `settings.ideas_per_epoch` ideas.

They are a whole epoch, or in steady state the part of one that is due."""


def fresh(search: Search) -> tuple[IdeaRequest, ...]:
    """Return an epoch's worth of requests that show no past ideas."""
    counts = split(search.ideas_per_epoch, search.ideas_per_call)
    return tuple(IdeaRequest(origin=Origin.FRESH, count=count) for count in counts)


def split(total: int, at_most: int) -> list[int]:
    """Return `total` as parts of `at_most` and a rest."""
    whole, rest = divmod(total, at_most)
    return [at_most] * whole + ([rest] if rest else [])


def evenly(total: int, parts: int) -> list[int]:
    """Return `total` as that many parts, the first of them larger by one where it does not go."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def sample(trials: Sequence[Trial], count: int, rng: random.Random) -> tuple[Trial, ...]:
    """Return up to `count` different trials, in random order."""
    return tuple(rng.sample(list(trials), min(count, len(trials))))
