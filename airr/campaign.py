"""The closed loop: ideas -> outcomes -> what to ask for next -> ideas."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from pathlib import Path

from airr.book import Book
from airr.config import Config
from airr.errors import AirrError, BudgetSpent
from airr.executor.executor import Executor
from airr.records import Failed, Idea, Scored
from airr.researcher.ideas import Ideator
from airr.researcher.strategies import strategy_named
from airr.researcher.strategy import Past

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Campaign:
    """A researcher, an executor, and the book in which everything between them stands."""

    config: Config
    book: Book
    ideator: Ideator
    executor: Executor
    epoch: int = 0
    stopped: str = ""
    """Why it ended before its last epoch: a bound of its budget was reached."""

    async def run(self) -> None:
        """Take the campaign from where it stands to the end of its last epoch, or of its budget.

        Raises:
            AirrError: it cannot go on; what was done until then is kept.
        """
        try:
            await self._go_on()
        except BudgetSpent as reason:
            self.stopped = str(reason)
            log.warning("%s", reason)

    async def _go_on(self) -> None:
        baseline = await self._measure_baseline()
        for epoch in range(self.config.search.epochs):
            self.epoch = epoch
            ideas = self.book.ideas_of(self.epoch) or await self._propose(baseline)
            async for _ in self.executor.run(ideas):
                self.book.enter()

    async def _measure_baseline(self) -> Scored:
        """Return the score of the unmodified codebase, run 0 of every campaign."""
        outcome = await self.executor.measure_baseline()
        if isinstance(outcome, Failed):
            raise AirrError(
                f"the unmodified codebase of env={self.config.env.name} fails "
                f"({outcome.reason} while {outcome.stage}): no idea could be compared with it.\n"
                f"{outcome.detail}\n"
                "Once that is mended, start anew: remove "
                f"{Path(self.config.root) / self.config.campaign}, or name another campaign=."
            )
        return outcome

    async def _propose(self, baseline: Scored) -> tuple[Idea, ...]:
        """Return the ideas of this epoch, which stand in the ledger before any of them is used."""
        search, seed = self.config.search, self.config.seed
        past = Past(
            trials=self.book.trials_before(self.epoch),
            baseline=baseline,
            metric=self.config.env.metric,
        )
        rng = random.Random(f"{seed}/{search.name}/{self.epoch}")
        ideas = await self.ideator.propose(
            strategy_named(search.name)(past, self.epoch, search, rng),
            epoch=self.epoch,
            baseline=baseline,
            tried=[idea.text for idea in self.book.ideas.values()],
        )
        if not ideas:
            raise AirrError(
                f"epoch {self.epoch}: the ideator offered no new idea. airr.log says of each "
                "answer what was wrong with it; the answers themselves stand in journal.jsonl"
            )
        self.book.enter(ideas)
        log.info("epoch %d: %d ideas proposed", self.epoch, len(ideas))
        return ideas
