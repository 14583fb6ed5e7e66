"""Ideas in, outcomes out: the executor's whole interface (paper section 2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from airr.book import Book
from airr.executor.codebases import Tree, pack, sha256_of
from airr.executor.jobs import Scheduler
from airr.executor.patches import Implementer
from airr.executor.results import describe_outcome
from airr.records import (
    BASELINE,
    Codebase,
    Failed,
    Idea,
    Outcome,
    Patch,
    Reason,
    Stage,
    row_of,
)
from airr.workspace import Workspace, write_atomically

log = logging.getLogger(__name__)


class Step(StrEnum):
    """How far an idea has come, for whoever watches."""

    WAITING = "waiting"
    """It waits for an implementer."""
    PATCHING = "patching"
    """Its diff is being written and tried."""
    RUNNING = "running"
    """Its codebase is queued or on a node."""
    DONE = "done"
    """It has an outcome."""


class Executor:
    """Takes ideas to their outcomes; what has been done already is not done again."""

    def __init__(  # noqa: PLR0913 - the composition root of the stages
        self,
        *,
        workspace: Workspace,
        book: Book,
        implementer: Implementer,
        scheduler: Scheduler,
        baseline: Tree,
        at_once: int,
        now: Callable[[], datetime],
    ) -> None:
        """Implement at most `at_once` ideas side by side; the scheduler has its own bound."""
        self._workspace = workspace
        self._book = book
        self._implementer = implementer
        self._scheduler = scheduler
        self._baseline = baseline
        self._room = asyncio.Semaphore(at_once)
        self._now = now
        self._in_hand: set[asyncio.Task[Outcome]] = set()
        self.steps: dict[str, Step] = {}

    @property
    def waits_for_the_cluster(self) -> bool:
        """Tell whether something is in hand, and all of it waits for results of jobs alone."""
        waiting = self._scheduler.is_at_rest and self._scheduler.awaited == len(self._in_hand)
        return waiting and len(self._in_hand) > 0

    async def run(self, ideas: Sequence[Idea]) -> AsyncIterator[Outcome]:
        """Yield the outcome of each idea as it comes, in the order of completion."""
        tasks = [self._take_in_hand(self._outcome(idea)) for idea in ideas]
        self.steps |= {idea.id: Step.WAITING for idea in ideas}
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def measure_baseline(self, repeat: int = 0) -> Outcome:
        """Return the outcome of the unmodified codebase."""
        codebase = self._pack(BASELINE, self._baseline)
        return await self._take_in_hand(self._scheduler.run(codebase, repeat))

    def _take_in_hand(self, work: Coroutine[Any, Any, Outcome]) -> asyncio.Task[Outcome]:
        task = asyncio.create_task(work)
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        return task

    async def _outcome(self, idea: Idea) -> Outcome:
        outcome = self._book.outcomes.get((idea.id, 0))
        if outcome is None:
            with self._scheduler.one_more_coming():
                async with self._room:
                    self.steps[idea.id] = Step.PATCHING
                    implemented = await self._codebase(idea)
            if isinstance(implemented, Codebase):
                self.steps[idea.id] = Step.RUNNING
                outcome = await self._scheduler.run(implemented)
            else:
                outcome = implemented
        self.steps[idea.id] = Step.DONE
        return outcome

    async def _codebase(self, idea: Idea) -> Codebase | Failed:
        """Return the idea's packed codebase, from disk if an earlier head has made it."""
        path = self._workspace.codebase(idea.id)
        if idea.id in self._book.patched and path.exists():
            return self._codebase_at(idea.id, path.read_bytes())
        implementation = await self._implementer.implement(idea)
        if implementation.tree is None:
            failure = self._failure(idea, implementation.patches)
            log.info("%s", describe_outcome(failure))
            self._book.enter([*implementation.patches, row_of(failure)])
            return failure
        codebase = self._pack(idea.id, implementation.tree)
        self._book.enter(implementation.patches)
        return codebase

    def _pack(self, idea_id: str, tree: Tree) -> Codebase:
        data = pack(tree)
        write_atomically(self._workspace.codebase(idea_id), data)
        return self._codebase_at(idea_id, data)

    def _codebase_at(self, idea_id: str, data: bytes) -> Codebase:
        path = self._workspace.codebase(idea_id).relative_to(self._workspace.folder)
        return Codebase(idea_id=idea_id, path=path.as_posix(), sha256=sha256_of(data))

    def _failure(self, idea: Idea, patches: Sequence[Patch]) -> Failed:
        """Return why no patch of an idea passed: what the last word on its first sample says."""
        last = [patch for patch in patches if patch.sample == patches[0].sample][-1]
        return Failed(
            idea_id=idea.id,
            repeat=0,
            attempt=0,
            stage=last.stage or Stage.IMPLEMENT,
            reason=last.reason or Reason.NO_PATCH,
            detail=last.detail,
            ended_at=self._now(),
        )
