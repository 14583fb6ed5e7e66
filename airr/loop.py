"""What every closed loop begins with and ends by: a measured baseline, and a budget's bounds."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from airr.book import Book
from airr.config import Config
from airr.errors import AirrError, BudgetSpent
from airr.estimates import baseline_of, seeding_of
from airr.executor.executor import Executor, all_ended
from airr.records import BASELINE, SCORED, Idea, Outcome, Scored, how_it_ended

log = logging.getLogger(__name__)

AnyConfig = TypeVar("AnyConfig", bound=Config)
Value = TypeVar("Value")


@dataclass(slots=True, kw_only=True)
class Loop(ABC, Generic[AnyConfig]):
    """An executor, the book in which everything stands, and a way of learning from it."""

    config: AnyConfig
    book: Book
    executor: Executor
    epoch: int = 0
    stopped: str = ""
    """Why it ended before its last epoch: a bound of its budget was reached."""

    async def run(self) -> None:
        """Take the campaign from where it stands to the end of its last epoch, or of its budget.

        Raises:
            AirrError: it cannot go on; what was done until then is kept.
        """
        baseline = await self.within_budget(self._measure_baseline())
        if baseline:
            with _first_error_alone():
                await self.learn(baseline)

    @abstractmethod
    async def learn(self, baseline: Scored) -> None:
        """Take all epochs through: ideas, outcomes, and what follows from them."""

    @property
    def waits_for_the_cluster(self) -> bool:
        """Tell whether all that is in hand waits for results of jobs alone."""
        return self.executor.waits_for_the_cluster

    @property
    def stage(self) -> str:
        """Return which stage has a job of its own out; "" where none is, or all are runs."""
        return ""

    async def within_budget(self, work: Coroutine[Any, Any, Value]) -> Value | None:
        """Return what comes of a part of the campaign; None if a bound of the budget ended it."""
        try:
            return await work
        except BudgetSpent as reason:
            if not self.stopped:  # other cohorts under way meet the same bound
                log.info("%s", reason)
                log.warning("a bound of the budget is reached: what runs ends, nothing new begins")
            self.stopped = str(reason)
            return None

    async def execute(self, ideas: Sequence[Idea], baseline: Scored) -> None:
        """Take ideas to their outcomes, with as many seeds as they deserve."""
        seeding, metric = seeding_of(self.config.search), self.config.env.metric

        def repeats(first: Outcome) -> int:
            return seeding.repeats_of(first, baseline, metric)

        async for _ in self.executor.run(ideas, repeats):
            self.book.enter()

    async def _measure_baseline(self) -> Scored:
        """Return the score of the unmodified codebase, which every campaign runs first."""
        seeds = range(self.config.search.baseline_seeds)
        await all_ended(
            [
                *(self.executor.measure_baseline(seed) for seed in seeds),
                self.executor.screen_baseline(),
            ]
        )
        outcome = baseline_of(self.book.outcomes)
        assert outcome is not None
        if not isinstance(outcome, Scored):
            raise AirrError(
                f"the unmodified codebase of env={self.config.env.name} fails "
                f"({how_it_ended(outcome)}): no idea could be compared with it.\n"
                f"{outcome.detail}\n"
                "Once that is mended, start anew: remove "
                f"{Path(self.config.root) / self.config.campaign}, or name another campaign=."
            )
        self._check_screens()
        return outcome

    def _check_screens(self) -> None:
        """Refuse a screen in which not even the unmodified codebase comes to a score.

        Raises:
            AirrError: it is so.
        """
        for screening in self.book.screens.values():
            if screening.idea_id != BASELINE or screening.status == SCORED:
                continue
            raise AirrError(
                f"the unmodified codebase of env={screening.env} has no score with "
                f"{screening.share:g} of its budget, which is {screening.budget_seconds:g} s: "
                f"{screening.reason} while {screening.stage}.\n{screening.detail}\n"
                "No screen could rank ideas like that. Take a larger share, search.screen.rungs="
                "[...], in another campaign=NEWNAME."
            )


@contextmanager
def _first_error_alone() -> Generator[None]:
    """Let an error out of a group of tasks as what it is; the others were ended because of it."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
