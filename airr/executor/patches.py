"""Idea -> Patch: the implementer asks a model for a diff until one passes every gate.

Samples are asked side by side, each with a few self-revisions on the exact error (paper: 10
samples, 2 revisions), and judged in the order of their answers, one patch of an idea at a time: the
first to pass wins and the rest are cancelled, unjudged and not revised. The cheap gates come before
the preflight, which costs seconds of a core.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from airr.batch import Result
from airr.config import Env, Implement
from airr.errors import BudgetSpent
from airr.executor.codebases import Parent, Tree
from airr.executor.diffs import Rejection, apply_answer, change_between
from airr.executor.preflight import describe, seconds_of
from airr.executor.questions import Questions
from airr.llm.protocol import Completion, ContextTooLong, Request, StopReason
from airr.records import INFRASTRUCTURE, Idea, Patch, Reason, Run, RunKey, Stage

Ask = Callable[[Request], Any]
log = logging.getLogger(__name__)

TRANSIENT = INFRASTRUCTURE | {Reason.OVER_BUDGET, Reason.DISK_FULL}
"""Reasons of a failed preflight that may have gone by when the same patch comes again."""


class Checks(Protocol):
    """Whoever can tell whether a tree trains and can be scored."""

    async def check(self, tree: Tree, key: RunKey) -> Result:
        """Return the finding; a metric in it means yes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """All patches that were tried for an idea, and the tree of the one that passed, if any."""

    patches: tuple[Patch, ...]
    tree: Tree | None


@dataclass(slots=True)
class _Attempts:
    """What the samples of one idea share: the patches so far, and the turn to be judged.

    `base` is what they patch, that of `parent` if the idea builds on one. `mends` is the run whose
    crash they are to mend. `failed` says by diff what became of those that ran already: none is
    run again. `held_back` says why the budget let some of them ask no more, "" if it let all; with
    `only_held` none of them asks what was not answered before.
    """

    base: Tree
    parent: Parent | None
    patches: list[Patch] = field(default_factory=list[Patch])
    mends: str | None = None
    failed: dict[str, Patch] = field(default_factory=dict[str, Patch])
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    held_back: str = ""
    only_held: bool = False


class Implementer:
    """Turns ideas into patched trees of one environment's baseline, or of a parent's tree."""

    def __init__(  # noqa: PLR0913 - the composition root of one stage
        self,
        questions: Questions,
        *,
        env: Env,
        baseline: Tree,
        how: Implement,
        ask: Callable[[Request], Any],
        holds: Callable[[Request], bool],
        preflight: Checks,
        now: Callable[[], datetime],
    ) -> None:
        """Patch `baseline` where an idea has no parent; `ask` answers the questions.

        `preflight` tries what came of them. `holds` tells whether a request was answered before, so
        that its answer costs nothing.
        """
        self._questions = questions
        self._env = env
        self._baseline = baseline
        self._how = how
        self._ask = ask
        self._holds = holds
        self._preflight = preflight
        self._now = now

    async def implement(self, idea: Idea, parent: Parent | None = None) -> Implementation:
        """Return the first patch of the idea that passes, after every one that did not.

        It is a patch of the parent's codebase, if there is one.

        Raises:
            BudgetSpent: none passed, and the budget had no room to ask for all of them.
            ProviderError: the model cannot be asked at all.
        """
        attempts, tree = self._attempts(parent, only_held=True), None
        questions = self._questions.firsts(idea, self._how.samples, parent)
        if any(map(self._holds, questions)):
            # an interrupted head paid for answers: they may be all that it takes
            tree = await self._race(questions, idea, attempts)
        if tree is None:
            attempts = self._attempts(parent)
            tree = await self._race(questions, idea, attempts)
        if tree is None and attempts.held_back:
            raise BudgetSpent(attempts.held_back)
        patches = sorted(attempts.patches, key=lambda patch: (patch.sample, patch.revision))
        return Implementation(patches=tuple(patches), tree=tree)

    async def mend(
        self, idea: Idea, past: Sequence[Patch], crash: Run, parent: Parent | None = None
    ) -> Implementation:
        """Return a patch in place of the last of `past`, all of which passed and crashed when run.

        Its sample goes on, with the traceback for an error.

        Raises:
            BudgetSpent: none passed, and the budget had no room to ask again.
            ProviderError: the model cannot be asked at all.
        """
        last = past[-1]
        failed = {patch.diff: _crashed(patch) for patch in past}
        attempts = self._attempts(parent, mends=crash.id, failed=failed)
        request = self._questions.mending(idea, last, crash, parent)
        tree = await self._revise(request, idea, last.sample, last.revision + 1, attempts)
        if tree is None and attempts.held_back:
            raise BudgetSpent(attempts.held_back)
        return Implementation(patches=tuple(attempts.patches), tree=tree)

    def _attempts(self, parent: Parent | None, **known: Any) -> _Attempts:
        base = parent.tree if parent else self._baseline
        return _Attempts(base=base, parent=parent, **known)

    async def _race(
        self, questions: Sequence[Request], idea: Idea, attempts: _Attempts
    ) -> Tree | None:
        """Return the first tree to pass, if any does; the other samples are cancelled."""
        samples = {
            asyncio.create_task(self._revise(question, idea, sample, 0, attempts))
            for sample, question in enumerate(questions)
        }
        try:
            return await _first_to_pass(samples)
        finally:
            for task in samples:
                task.cancel()
            await asyncio.gather(*samples, return_exceptions=True)

    async def _revise(
        self, request: Request, idea: Idea, sample: int, first: int, attempts: _Attempts
    ) -> Tree | None:
        """Ask for a patch, and go on with the exact error until one passes every gate.

        Return its tree, if there is one; `first` is the number of the first revision.
        """
        for revision in range(first, first + self._how.revisions + 1):
            if attempts.only_held and not self._holds(request):
                break
            try:
                asked = await self._answered(request)
            except BudgetSpent as reason:
                attempts.held_back = str(reason)
                break
            if asked is None:
                break
            request, completion = asked
            patch, tree = await self._judge(request, completion, idea, attempts)
            patch = replace(patch, sample=sample, revision=revision, mends=attempts.mends)
            attempts.patches.append(patch)
            if tree is not None:
                return tree
            request = self._questions.revised(request, completion, patch)
        return None

    async def _answered(self, request: Request) -> tuple[Request, Completion] | None:
        """Ask, without the oldest revisions for as long as the prompt is too long for the model.

        Return what was asked in the end and its answer, or None where no revision fits.

        Raises:
            ContextTooLong: not even the idea alone fits.
        """
        while True:
            try:
                return request, await self._ask(request)
            except ContextTooLong as error:
                if len(request.messages) == 1:
                    raise
                shorter = self._questions.shortened(request)
                if shorter is None:
                    log.warning("%s: %s; this sample ends unrevised", request.id, error)
                    return None
                log.warning("%s: %s; leaving out %s", request.id, error, shorter.left_out)
                request = shorter

    async def _judge(
        self, request: Request, completion: Completion, idea: Idea, attempts: _Attempts
    ) -> tuple[Patch, Tree | None]:
        """Take one answer through the gates; the tree comes back only if it passed them all.

        Then the turn is not handed on: the other samples are about to be cancelled.
        """
        await attempts.turn.acquire()
        patch, tree = await self._through_gates(request, completion, idea, attempts)
        if tree is None:
            attempts.turn.release()
        return patch, tree

    async def _through_gates(
        self, request: Request, completion: Completion, idea: Idea, attempts: _Attempts
    ) -> tuple[Patch, Tree | None]:
        patch = Patch(
            idea_id=idea.id,
            sample=0,
            revision=0,
            mends=None,
            applied=False,
            stage=Stage.IMPLEMENT,
            reason=None,
            detail="",
            diff=completion.text,
            files_changed=0,
            lines_added=0,
            lines_removed=0,
            preflight_seconds=0.0,
            model=completion.model,
            call_id=request.id,
            created_at=self._now(),
        )
        if (unusable := _why_unusable(request, completion)) is not None:
            return replace(patch, reason=unusable.reason, detail=unusable.detail), None
        tree = apply_answer(
            completion.text,
            attempts.base,
            editable=self._env.editable,
            limit_kb=self._env.patch_limit_kb,
        )
        if isinstance(tree, Rejection):
            return replace(patch, reason=tree.reason, detail=tree.detail), None
        patch = replace(patch, **_changes(attempts.base, tree))
        if (same := attempts.failed.get(patch.diff)) is not None:
            return _repeated(patch, same), None
        result = await self._preflight.check(tree, RunKey(idea_id=idea.id))
        patch = replace(patch, preflight_seconds=seconds_of(result))
        if result.metric is not None:
            return replace(patch, applied=True, stage=None), tree
        found = describe(result)
        detail = f"{found['detail']}\n\nThe end of its log:\n{found['log']}".strip()
        patch = replace(patch, stage=Stage.PREFLIGHT, reason=result.reason, detail=detail)
        if result.reason not in TRANSIENT:
            attempts.failed[patch.diff] = patch
        return patch, None


def _crashed(patch: Patch) -> Patch:
    """Return what to say of a patch that passed the preflight, if it is handed in once more."""
    detail = "it crashed in its real run: change what the traceback points to"
    return replace(patch, stage=Stage.IMPLEMENT, reason=Reason.EMPTY_PATCH, detail=detail)


def _repeated(patch: Patch, failed: Patch) -> Patch:
    """Return the judgement of a patch that equals one which failed already."""
    detail = f"this patch, line by line, was tried before: {failed.detail}"
    return replace(patch, stage=failed.stage, reason=failed.reason, detail=detail)


def _why_unusable(request: Request, completion: Completion) -> Rejection | None:
    """Return why an answer is not even looked into: half a diff may apply, as half an idea."""
    if completion.stop_reason is StopReason.REFUSAL:
        said = f": {completion.stop_detail}" if completion.stop_detail else ""
        return Rejection(Reason.REFUSED, f"the model declined{said}")
    if not completion.text.strip():
        return Rejection(
            Reason.NO_PATCH, f"the answer is empty (stopped: {completion.stop_reason})"
        )
    if completion.is_cut:
        return Rejection(
            Reason.CUT_OFF,
            f"the answer was cut off at the limit of {request.max_tokens} tokens, so the patch in "
            "it may lack a part: write a shorter one, without prose and with less context",
        )
    return None


def _changes(before: Tree, after: Tree) -> dict[str, Any]:
    change = change_between(before, after)
    return {
        "diff": change.diff,
        "files_changed": change.files,
        "lines_added": change.added,
        "lines_removed": change.removed,
    }


async def _first_to_pass(samples: set[asyncio.Task[Tree | None]]) -> Tree | None:
    pending = samples
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if (tree := task.result()) is not None:
                return tree
    return None
