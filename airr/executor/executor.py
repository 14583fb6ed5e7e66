"""Ideas in, outcomes out: the executor's whole interface (paper section 2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from airr.book import Book
from airr.budget import Bound
from airr.errors import BudgetSpent, WorkspaceError
from airr.executor.codebases import Parent, Tree, pack, packed_at, sha256_of, unpack
from airr.executor.jobs import Scheduler
from airr.executor.patches import Implementer
from airr.executor.plans import Rung
from airr.executor.results import describe_outcome, failure_of
from airr.executor.screening import CohortScreen
from airr.records import (
    BASELINE,
    Codebase,
    Failed,
    Idea,
    Outcome,
    Patch,
    Reason,
    RunKey,
    Stage,
    row_of,
)
from airr.screens import Halving
from airr.workspace import Workspace, write_atomically

log = logging.getLogger(__name__)

Value = TypeVar("Value")


class Step(StrEnum):
    """How far an idea has come, for whoever watches."""

    WAITING = "waiting"
    """It waits for an implementer."""
    PATCHING = "patching"
    """Its diff is being written and tried."""
    HELD = "held back"
    """A bound of the budget left no room to begin it, or to go on with it."""
    RUNNING = "running"
    """Its codebase is queued or on a node."""
    SCREENED = "screened"
    """It waits for the others of its epoch, whose best go on."""
    DONE = "done"
    """It has an outcome."""


Repeats = Callable[[Outcome], int]
"""With how many further seeds an idea is run, by what its first run came to."""


def once(_: Outcome) -> int:
    """Run every idea with one seed alone."""
    return 0


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
        gpu: Bound,
        run_gpu_hours: float,
        now: Callable[[], datetime],
        rungs: Sequence[Rung] = (),
        halving: Halving | None = None,
    ) -> None:
        """Implement at most `at_once` ideas side by side; the scheduler has its own bound.

        An idea is begun if `run_gpu_hours`, what a run takes at most, still fit the bound `gpu`.
        Where there are `rungs`, `halving` says which ideas go on to a full run.
        """
        self._workspace = workspace
        self._book = book
        self._implementer = implementer
        self._scheduler = scheduler
        self._baseline = baseline
        self._room = asyncio.Semaphore(at_once)
        self._gpu = gpu
        self._run_gpu_hours = run_gpu_hours
        self._now = now
        self._rungs = rungs
        self._halving = halving
        self._screens: list[CohortScreen] = []
        self._in_hand: set[asyncio.Task[Any]] = set()
        self._covered = 0  # tasks in hand that wait for others in hand
        self._held_back = ""
        self.steps: dict[str, Step] = {}
        self._step_taken = asyncio.Event()

    @property
    def is_at_work(self) -> bool:
        """Tell whether something is in hand."""
        return bool(self._in_hand)

    @property
    def waits_for_the_cluster(self) -> bool:
        """Tell whether something is in hand, and all of it waits for results of jobs alone."""
        covered = self._covered + sum(screen.waiting for screen in self._screens)
        begun = len(self._in_hand) - covered - self._gpu.waiting
        return self._scheduler.is_at_rest and self._scheduler.awaited == begun > 0

    async def run(self, ideas: Sequence[Idea], repeats: Repeats = once) -> AsyncIterator[Outcome]:
        """Yield the outcome of each idea as it comes, in the order of completion.

        It is that of its first run; it comes after as many further ones, each with a seed of its
        own, as `repeats` says of it.

        Raises:
            BudgetSpent: once all others have come, if the budget had no room for some.
        """
        screen = self._screen_of(ideas)
        tasks = [self._take_in_hand(self._outcome(idea, repeats, screen)) for idea in ideas]
        self.steps |= {idea.id: Step.WAITING for idea in ideas}
        try:
            for task in asyncio.as_completed(tasks):
                if outcome := await task:
                    yield outcome
            if self._held_back:
                raise BudgetSpent(self._held_back)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until_implemented(self, ideas: Sequence[Idea]) -> None:
        """Return once none of these ideas, given to `run`, is still to be implemented."""
        before = {None, Step.WAITING, Step.PATCHING}
        left = [idea.id for idea in ideas]
        while left := [one for one in left if self.steps.get(one) in before]:
            self._step_taken.clear()
            await self._step_taken.wait()

    async def until_few_are_open(self, ideas: Sequence[Idea], most: int) -> None:
        """Return once at most so many of these ideas, given to `run`, have no outcome."""
        left = [idea.id for idea in ideas]
        while len(left := [one for one in left if self.steps.get(one) is not Step.DONE]) > most:
            self._step_taken.clear()
            await self._step_taken.wait()

    async def measure_baseline(self, repeat: int = 0) -> Outcome:
        """Return the outcome of the unmodified codebase with one seed.

        Raises:
            BudgetSpent: the budget has no room for it.
        """
        codebase = self._pack(BASELINE, self._baseline)
        async with self._promised(RunKey(idea_id=BASELINE, repeat=repeat)):
            return await self._take_in_hand(self._scheduler.run(codebase, repeat))

    async def screen_baseline(self) -> None:
        """Run the unmodified codebase at every rung of the screen, as ideas are run there.

        Raises:
            BudgetSpent: the budget has no room for it.
        """
        codebase = self._pack(BASELINE, self._baseline)

        async def run(rung: int) -> None:
            async with self._promised(RunKey(idea_id=BASELINE, rung=rung)):
                await self._take_in_hand(self._scheduler.screen(codebase, rung))

        await all_ended(run(rung.number) for rung in self._rungs)

    def _promised(self, goal: RunKey) -> AbstractAsyncContextManager[None]:
        """Set aside what a run takes at most, unless that is spent already."""
        done = self._book.is_over(goal)
        most = self._run_gpu_hours if goal.rung is None else self._rungs[goal.rung].gpu_hours
        return self._gpu.promise(
            0.0 if done else most, has_begun=done or self._scheduler.has_open(goal)
        )

    def _take_in_hand(self, work: Coroutine[Any, Any, Value]) -> asyncio.Task[Value]:
        task = asyncio.create_task(work)
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        return task

    def _screen_of(self, ideas: Sequence[Idea]) -> CohortScreen | None:
        if self._halving is None or not self._rungs:
            return None
        screen = CohortScreen(
            ideas, rungs=self._rungs, halving=self._halving, book=self._book, now=self._now
        )
        self._screens.append(screen)
        return screen

    async def _outcome(
        self, idea: Idea, repeats: Repeats, screen: CohortScreen | None
    ) -> Outcome | None:
        """Return what came of an idea, or None if the budget holds it back."""
        try:
            if screen:
                await self._through_screen(idea, screen)
            while (outcome := self._book.outcomes.get((idea.id, 0))) is None:
                async with self._promised(RunKey(idea_id=idea.id)):
                    await self._take_through(idea)
            await self._run_again(idea, repeats(outcome))
        except BudgetSpent as reason:
            self._take_step(idea, Step.HELD)
            self._held_back = str(reason)
            if screen:
                screen.hold_back(str(reason))
            return None
        self._take_step(idea, Step.DONE)
        return outcome

    async def _through_screen(self, idea: Idea, screen: CohortScreen) -> None:
        """Take an idea from rung to rung, until it has an outcome or goes on to a full run."""
        for rung in self._rungs:
            goal = RunKey(idea_id=idea.id, rung=rung.number)
            while not self._has_ended(idea) and not self._book.is_over(goal):
                async with self._promised(goal):
                    await self._take_through(idea, rung.number)
            has_ended = self._has_ended(idea)
            self._take_step(idea, Step.DONE if has_ended else Step.SCREENED)
            await screen.until_decided(idea)
            if self._has_ended(idea):
                return

    def _has_ended(self, idea: Idea) -> bool:
        return (idea.id, 0) in self._book.outcomes

    async def _run_again(self, idea: Idea, times: int) -> None:
        """Run an idea's codebase with so many further seeds, side by side.

        One that was scored in another campaign, whose codebase is not here, is left at that.
        """
        due = [n for n in range(1, times + 1) if (idea.id, n) not in self._book.outcomes]
        packed = packed_at(self._workspace.codebase(idea.id)) if due else None
        if packed is None:
            return
        self._take_step(idea, Step.RUNNING)
        codebase = self._codebase_at(idea.id, packed)
        self._covered += 1
        left = len(due)

        async def run(repeat: int) -> Outcome:
            nonlocal left
            try:
                async with self._promised(RunKey(idea_id=idea.id, repeat=repeat)):
                    return await self._scheduler.run(codebase, repeat)
            finally:
                left -= 1
                self._covered -= left == 0  # in the same step, so that nobody sees less in hand

        await all_ended([self._take_in_hand(run(repeat)) for repeat in due])

    async def _take_through(self, idea: Idea, rung: int | None = None) -> None:
        """Take an idea through a run, or to a crash that is to be mended on the next way.

        That may be one at a rung of the screen.
        """
        with self._scheduler.one_more_coming():
            async with self._room:
                self._take_step(idea, Step.PATCHING)
                implemented = await self._codebase(idea)
        if isinstance(implemented, Codebase):
            self._take_step(idea, Step.RUNNING)
            if rung is None:
                await self._scheduler.run(implemented)
            else:
                await self._scheduler.screen(implemented, rung)

    def _take_step(self, idea: Idea, step: Step) -> None:
        self.steps[idea.id] = step
        self._step_taken.set()

    async def _codebase(self, idea: Idea) -> Codebase | Failed:
        """Return the idea's packed codebase, from disk if an earlier head has made it.

        One whose run crashed is mended if that is due, and takes the place of the other.
        """
        path, crash = self._workspace.codebase(idea.id), self._book.crash_to_mend(idea.id)
        is_made = crash is None and idea.id in self._book.patched
        if is_made and (packed := packed_at(path)):
            return self._codebase_at(idea.id, packed)
        parent = self._parent_of(idea)
        if crash is None:
            implementation = await self._implementer.implement(idea, parent)
        else:
            past = self._book.applied[idea.id]
            implementation = await self._implementer.mend(idea, past, crash, parent)
        if implementation.tree is None:
            failure = failure_of(crash) if crash else self._failure(idea, implementation.patches)
            told = f"{idea.id}: no mended patch" if crash else describe_outcome(failure)
            log.info("%s", told)
            self._book.enter([*self._book.unknown(implementation.patches), row_of(failure)])
            return failure
        codebase = self._pack(idea.id, implementation.tree)
        self._book.enter(self._book.unknown(implementation.patches))
        if crash is None and self._book.crash_to_mend(idea.id):
            return await self._codebase(idea)  # it has run before: its patches alone were lost
        return codebase

    def _parent_of(self, idea: Idea) -> Parent | None:
        """Return what an idea is a patch of, or None for the unmodified codebase.

        Raises:
            WorkspaceError: the codebase of its parent is gone, or damaged.
        """
        if idea.base is None:
            return None
        path = self._workspace.codebase(idea.base)
        packed = packed_at(path)
        if packed is None:
            raise WorkspaceError(
                f"{idea.id} builds on the codebase of {idea.base}, but {path} is gone or damaged: "
                "put a copy of it back"
            )
        return Parent(idea=self._book.ideas[idea.base], tree=unpack(packed))

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


async def all_ended(work: Iterable[Awaitable[object]]) -> None:
    """Wait for all of it, and only then let the first error out: what runs is not given up."""
    for found in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found
