"""The closed loop: ideas -> outcomes -> what to ask for next -> ideas."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from airr.book import Book
from airr.cohorts import Cohort, cohorts_of, open_at_most
from airr.config import Config
from airr.errors import AirrError, BudgetSpent
from airr.estimates import baseline_of, seeding_of
from airr.executor.executor import Executor, all_ended
from airr.records import Idea, Outcome, Scored, Trial, Withheld, how_it_ended
from airr.researcher.ideas import Ideator
from airr.researcher.strategies import INDEPENDENT, strategy_named
from airr.researcher.strategy import Past

log = logging.getLogger(__name__)

Value = TypeVar("Value")


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
    _is_proposing: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Take the campaign from where it stands to the end of its last epoch, or of its budget.

        Raises:
            AirrError: it cannot go on; what was done until then is kept.
        """
        baseline = await self._within_budget(self._measure_baseline())
        if baseline:
            with _first_error_alone():
                await self._run_cohorts(baseline)

    async def _run_cohorts(self, baseline: Scored) -> None:
        under_way: list[asyncio.Task[None]] = []
        begun: list[Idea] = []
        async with asyncio.TaskGroup() as group:
            for cohort in cohorts_of(self.config.search):
                self.epoch = cohort.epoch
                ideas = self._proposed(cohort)
                ideas = ideas or await self._within_budget(self._propose(cohort, baseline))
                if not ideas:
                    return  # the group still waits for what runs
                begun += ideas
                under_way.append(
                    group.create_task(self._within_budget(self._execute(ideas, baseline)))
                )
                await self._until_the_next_is_due(begun, under_way)
                if self.stopped:
                    return

    async def _within_budget(self, work: Coroutine[Any, Any, Value]) -> Value | None:
        """Return what comes of a part of the campaign; None if a bound of the budget ended it."""
        try:
            return await work
        except BudgetSpent as reason:
            if not self.stopped:  # other cohorts under way meet the same bound
                log.info("%s", reason)
                log.warning("a bound of the budget is reached: what runs ends, nothing new begins")
            self.stopped = str(reason)
            return None

    @property
    def waits_for_the_cluster(self) -> bool:
        """Tell whether all that is in hand waits for results of jobs alone."""
        return not self._is_proposing and self.executor.waits_for_the_cluster

    async def _execute(self, ideas: Sequence[Idea], baseline: Scored) -> None:
        seeding, metric = seeding_of(self.config.search), self.config.env.metric

        def repeats(first: Outcome) -> int:
            return seeding.repeats_of(first, baseline, metric)

        async for _ in self.executor.run(ideas, repeats):
            self.book.enter()

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

    async def _measure_baseline(self) -> Scored:
        """Return the score of the unmodified codebase, which every campaign runs first."""
        seeds = range(self.config.search.baseline_seeds)
        await all_ended(self.executor.measure_baseline(seed) for seed in seeds)
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
        return outcome

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
        ideas = await self.ideator.propose(
            strategy_named(search.name)(past, epoch, due, rng),
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


@contextmanager
def _first_error_alone() -> Generator[None]:
    """Let an error out of a group of tasks as what it is; the others were ended because of it."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


def _believed(trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
    """Return the trials that the search may learn from: what is withheld is no parent."""
    return tuple(trial for trial in trials if not isinstance(trial.outcome, Withheld))
