"""The closed loop: ideas -> outcomes -> what to ask for next -> ideas."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airr.cohorts import Cohort, cohorts_of, open_at_most
from airr.config import Config
from airr.errors import AirrError
from airr.loop import Loop
from airr.records import Idea, Scored, Trial, Withheld
from airr.researcher.bandit import assigned
from airr.researcher.ideas import Ideator
from airr.researcher.strategies import INDEPENDENT, strategy_named
from airr.researcher.strategy import Past

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Campaign(Loop[Config]):
    """A researcher, an executor, and the book in which everything between them stands."""

    ideator: Ideator
    _is_proposing: bool = field(default=False, init=False)

    async def learn(self, baseline: Scored) -> None:
        """Propose cohort after cohort, each by what the ones before it came to."""
        under_way: list[asyncio.Task[None]] = []
        begun: list[Idea] = []
        async with asyncio.TaskGroup() as group:
            for cohort in cohorts_of(self.config.search):
                self.epoch = cohort.epoch
                ideas = self._proposed(cohort)
                ideas = ideas or await self.within_budget(self._propose(cohort, baseline))
                if not ideas:
                    return  # the group still waits for what runs
                begun += ideas
                under_way.append(
                    group.create_task(self.within_budget(self.execute(ideas, baseline)))
                )
                await self._until_the_next_is_due(begun, under_way)
                if self.stopped:
                    return

    @property
    def waits_for_the_cluster(self) -> bool:
        """Tell whether all that is in hand waits for results of jobs alone."""
        return not self._is_proposing and self.executor.waits_for_the_cluster

    async def _until_the_next_is_due(
        self, ideas: Sequence[Idea], under_way: Sequence[asyncio.Task[None]]
    ) -> None:
        """Wait until the cohort after those of these ideas may be proposed.

        Where nothing is learned, that one is made while nodes train the last, so that they are fed
        without a pause; but none beyond that.
        """
        if self.config.search.name in INDEPENDENT:
            await self.executor.until_implemented(ideas)
            await asyncio.gather(*under_way[:-1])
            return
        most = open_at_most(self.config.search)
        due: list[asyncio.Future[Any]] = [asyncio.ensure_future(asyncio.wait(under_way))]
        if most:
            due.append(asyncio.ensure_future(self.executor.until_few_are_open(ideas, most)))
        try:
            await asyncio.wait(due, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in due:
                one.cancel()

    def _proposed(self, cohort: Cohort) -> tuple[Idea, ...]:
        """Return the ideas of a cohort that an earlier head has proposed."""
        ideas = self.book.ideas_of(cohort.epoch)
        return tuple(idea for idea in ideas if idea.place in cohort.places)

    async def _propose(self, cohort: Cohort, baseline: Scored) -> tuple[Idea, ...]:
        """Return the ideas of a cohort, which stand in the ledger before any of them is used."""
        self._is_proposing = True
        try:
            return await self._ask_for_ideas(cohort, baseline)
        finally:
            self._is_proposing = False

    async def _ask_for_ideas(self, cohort: Cohort, baseline: Scored) -> tuple[Idea, ...]:
        search, seed, epoch = self.config.search, self.config.seed, cohort.epoch
        past = Past(
            trials=_believed(self.book.trials_before(epoch, cohort.first)),
            baseline=baseline,
            metric=self.config.env.metric,
        )
        place = f"{epoch}/{cohort.first}" if cohort.first else f"{epoch}"
        rng = random.Random(f"{seed}/{search.name}/{place}")
        due = replace(search, ideas_per_epoch=cohort.size)
        requests = strategy_named(search.name)(past, epoch, due, rng)
        lots = random.Random(f"{seed}/ensemble/{place}")
        ideas = await self.ideator.propose(
            assigned(requests, [*self.config.llm.ideators], past, lots),
            epoch=epoch,
            first=cohort.first,
            baseline=baseline,
            tried=[idea.text for idea in self.book.ideas.values()],
        )
        if not ideas:
            raise AirrError(
                f"epoch {epoch}: the ideator offered no new idea. airr.log says of each "
                "answer what was wrong with it; the answers themselves stand in journal.jsonl"
            )
        self.book.enter(ideas)
        log.info("epoch %d: %d ideas proposed", epoch, len(ideas))
        return ideas


def _believed(trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
    """Return the trials that the search may learn from: what is withheld is no parent."""
    return tuple(trial for trial in trials if not isinstance(trial.outcome, Withheld))
