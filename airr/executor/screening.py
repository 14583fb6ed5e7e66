"""The ideas of a cohort at the rungs of its screen: each waits until its rung is decided.

What is decided follows from the book alone (`airr.screens`), and stands in the ledger at once for
all who do not go on; a head that was killed in between decides the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from airr.book import Book
from airr.config import Metric
from airr.errors import BudgetSpent
from airr.executor.plans import Rung
from airr.records import (
    BASELINE,
    SCORED,
    WITHHELD,
    Dropped,
    Idea,
    Reason,
    Screening,
    Stage,
    row_of,
)
from airr.screens import Halving

log = logging.getLogger(__name__)


class CohortScreen:
    """The screen of ideas that were proposed together."""

    def __init__(
        self,
        ideas: Sequence[Idea],
        *,
        rungs: Sequence[Rung],
        halving: Halving,
        book: Book,
        now: Callable[[], datetime],
    ) -> None:
        """Begin at the first rung, with all of the ideas; what the book knows is not run again."""
        self._rungs = rungs
        self._halving = halving
        self._book = book
        self._now = now
        self._rung = 0
        self._field = [idea.id for idea in sorted(ideas, key=lambda one: one.place)]
        self._missing = self._open_ideas()
        self._decided = asyncio.Event()
        self._held_back = ""
        self.waiting = 0
        """Ideas that wait for others of their rung."""

    async def until_decided(self, idea: Idea) -> None:
        """Return once it is decided whether an idea goes on that has come to something at a rung.

        Raises:
            BudgetSpent: another idea of the rung is held back, so that nothing can be decided.
        """
        decided = self._decided
        self._missing.discard(idea.id)
        while not self._missing and self._rung < len(self._rungs):
            self._decide()
        if self._has_ended(idea.id):
            return
        self._raise_if_held_back()
        if decided.is_set():
            return
        self.waiting += 1
        await decided.wait()
        self._raise_if_held_back()

    def hold_back(self, reason: str) -> None:
        """Let nobody wait any more: the budget leaves no room for one of the ideas."""
        self._held_back = self._held_back or reason
        self.waiting = 0
        self._decided.set()

    def _raise_if_held_back(self) -> None:
        if self._held_back:
            raise BudgetSpent(self._held_back)

    def _open_ideas(self) -> set[str]:
        return {one for one in self._field if not self._has_ended(one)}

    def _has_ended(self, idea_id: str) -> bool:
        return (idea_id, 0) in self._book.outcomes

    def _decide(self) -> None:
        """Enter who does not go on, in one commit, and let the others try the next rung."""
        rung = self._rungs[self._rung]
        found = [
            self._book.screens[one, rung.number]
            for one in self._field
            if (one, rung.number) in self._book.screens
        ]
        promoted = self._halving.promoted(found)
        left = [one for one in found if one.status in (SCORED, WITHHELD)]
        dropped = [
            self._dropped(one, rung, found)
            for one in left
            if one.idea_id not in promoted and not self._has_ended(one.idea_id)
        ]
        self._book.enter([row_of(one) for one in dropped])
        if found:
            log.info("screen, %s: %d of %d go on", rung.in_words, len(promoted), len(found))
        self._rung += 1
        self._field = [one for one in self._field if one in promoted]
        self._missing = self._open_ideas()
        self.waiting = 0  # in the same step, so that nobody seems to wait who does not
        self._decided, decided = asyncio.Event(), self._decided
        decided.set()

    def _dropped(self, one: Screening, rung: Rung, found: Sequence[Screening]) -> Dropped:
        is_doubted = one.status == WITHHELD
        return Dropped(
            idea_id=one.idea_id,
            stage=Stage.SCREEN,
            reason=Reason.IMPLAUSIBLE if is_doubted else Reason.OUTRANKED,
            detail=one.detail if is_doubted else self._in_words(one, rung, found),
            ended_at=self._now(),
        )

    def _in_words(self, one: Screening, rung: Rung, found: Sequence[Screening]) -> str:
        """Return where an idea stood among the others, and beside the baseline."""
        ranked = [other.idea_id for other in self._halving.ranked(found)]
        best = self._halving.going_on(len(ranked))
        baseline = self._book.screens.get((BASELINE, rung.number))
        return (
            f"rank {ranked.index(one.idea_id) + 1} of {len(ranked)}, of which {best} went on, "
            f"with {rung.in_words}: {_score(one, rung.metric)}"
            + (f", the baseline {_score(baseline, rung.metric)}" if baseline else "")
        )


def _score(screening: Screening, metric: Metric) -> str:
    assert screening.metric is not None
    return f"{metric.name} {screening.metric:.4f}"
