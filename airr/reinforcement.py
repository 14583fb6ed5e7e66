"""The loop that trains its ideator: a group of rollouts -> outcomes -> rewards -> better weights.

The paper's second way of learning (arXiv 2601.14525, section 5). Three stages make an epoch, and
each of them is over when its product stands on disk: the rollouts, the outcomes in the ledger, the
checkpoint. So whatever was killed goes on with the first stage that is not.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from airr.budget import Bound
from airr.errors import WorkspaceError
from airr.loop import Loop
from airr.policy.asking import Answers, prompt_for
from airr.policy.checkpoints import checkpoint_name, is_whole, rotate
from airr.policy.lessons import Taught
from airr.policy.orders import Message, Order, StageKind, StageResult, result_in, stage_name
from airr.policy.rollouts import read_group
from airr.policy.schooling import Schooling, rollouts_of
from airr.policy.settings import Prompt, RlConfig
from airr.policy.stages import Stages, orders_in, put_down_failure
from airr.records import Idea, Outcome, Scored, Update, row_of
from airr.researcher.questions import Questions
from airr.workspace import Workspace

log = logging.getLogger(__name__)

READ_FOR_IDEAS = ("place", "text", "thinking_tokens", "tokens", "finished")
SHARING_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Reinforcement(Loop[RlConfig]):
    """A policy, an executor, and the book in which everything between them stands."""

    workspace: Workspace
    stages: Stages
    questions: Questions
    model: Path
    gpu: Bound
    now: Callable[[], datetime]

    async def learn(self, baseline: Scored) -> None:
        """Take all epochs through: sample, execute, update."""
        under_way: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for epoch in range(self.config.rl.epochs):
                self.epoch = epoch
                if epoch in self.book.updates and self._is_settled(epoch):
                    continue
                ideas = await self.within_budget(self._sampled(epoch, baseline))
                if ideas is None:
                    return
                work = self.within_budget(self._executed(ideas))
                under_way.append(group.create_task(work))
                if epoch not in self.book.updates:
                    await asyncio.wait([under_way[-1]], timeout=self.config.rl.patience)
                    if self.stopped:
                        return
                    await self.within_budget(self._updated(epoch, baseline))
                if self.stopped:
                    return

    @property
    def waits_for_the_cluster(self) -> bool:
        """Tell whether all that is in hand waits for results of jobs alone."""
        runs = self.executor.waits_for_the_cluster
        if not self.stages.doing:
            return runs
        return self.stages.waits and (runs or not self.executor.is_at_work)

    @property
    def _schooling(self) -> Schooling:
        return Schooling(self.workspace, self.book, self.config.env.metric, self.config.rl)

    @property
    def stage(self) -> str:
        """Return which stage has a job of its own out."""
        return self.stages.doing

    def _is_settled(self, epoch: int) -> bool:
        return all((idea.id, 0) in self.book.outcomes for idea in self.book.ideas_of(epoch))

    # ---- sample --------------------------------------------------------------------------------

    async def _sampled(self, epoch: int, baseline: Scored) -> tuple[Idea, ...]:
        """Return the ideas of an epoch, which stand in the ledger before any of them is used."""
        if ideas := self.book.ideas_of(epoch):
            return ideas
        prompt = self._prompt(epoch, baseline)
        checkpoint = await self._weights_before(epoch)
        order = partial(self._sampling, epoch, prompt, checkpoint)
        await self._stage(stage_name(epoch, StageKind.SAMPLE), order)
        group = read_group(rollouts_of(self.workspace, epoch), READ_FOR_IDEAS)
        weights = checkpoint.name if checkpoint else "as it came"
        answers = Answers(
            model=f"{self.config.policy.name} ({weights})", prompt=prompt, now=self.now
        )
        ideas, failed = answers.ideas(group.rollouts, epoch, self.book.ideas, self.book.outcomes)
        self.book.enter([*ideas, *map(row_of, failed)])
        fresh = sum(idea.same_as is None for idea in ideas) - len(failed)
        log.info("epoch %d: %d ideas, %d of them new", epoch, len(ideas) - len(failed), fresh)
        return tuple(ideas)

    def _prompt(self, epoch: int, baseline: Scored) -> tuple[Message, ...]:
        if self.config.policy.prompt is Prompt.NONE:
            return ()
        return prompt_for(
            self.questions,
            epoch=epoch,
            baseline=baseline,
            trials=self.book.trials_before(epoch),
            shown=self.config.rl.dynamic_prompt,
            rng=random.Random(f"{self.config.seed}/prompt/{epoch}"),
        )

    async def _weights_before(self, epoch: int) -> Path | None:
        """Return the checkpoint to sample from; None for the model as it came.

        One that was damaged or removed is made again, from the one before it.
        """
        learned = [n for n, update in self.book.updates.items() if n < epoch and update.rollouts]
        if not learned:
            return None
        folder = self._checkpoint(max(learned))
        if not is_whole(folder):
            await self._made_again(max(learned))
        return folder

    async def _made_again(self, epoch: int) -> None:
        """Do an epoch's update once more, unless a job is at it already.

        Raises:
            WorkspaceError: the checkpoint before it is not whole either.
        """
        name = stage_name(epoch, StageKind.UPDATE)
        folder, stage = self._checkpoint(epoch), self.workspace.stage(name)
        before = orders_in(stage)[-1]
        older = self.workspace.policy / Path(before.checkpoint or "").name
        if before.checkpoint and not is_whole(older):
            raise WorkspaceError(
                f"{folder} is not whole, and cannot be made again, for {older} is not either: "
                "put a copy of one of them back. If there is none, the policy is lost: start "
                "another campaign"
            )
        if (result := stage / "result.json").exists():
            log.warning("%s is not whole: the update of epoch %d is done again", folder, epoch)
            put_down_failure(before, "what it saved was lost")
            result.unlink()
        learned = Taught(lessons=self._schooling.ordered(epoch), late=0, rewards=())
        since = older if before.checkpoint else None
        await self._stage(name, partial(self._updating, epoch, learned, since))
        rotate(self.workspace.policy, self.config.rl.keep)

    # ---- execute -------------------------------------------------------------------------------

    async def _executed(self, ideas: Sequence[Idea]) -> None:
        """Take the ideas of an epoch to their outcomes, each of the same text once."""
        self._share()
        own = [idea for idea in ideas if idea.same_as is None]
        async for _ in self.executor.run([o for o in own if (o.id, 0) not in self.book.outcomes]):
            self._share()
        while not self.stopped and any((one.id, 0) not in self.book.outcomes for one in ideas):
            self._share()  # what waits for an idea of an epoch that is still under way
            await asyncio.sleep(SHARING_SECONDS)

    def _share(self) -> None:
        """Enter the outcome of an idea for all that have its very text."""
        due: list[Outcome] = []
        for idea in self.book.ideas.values():
            if idea.same_as is None or (idea.id, 0) in self.book.outcomes:
                continue
            if outcome := self.book.outcomes.get((idea.same_as, 0)):
                nothing = {"train_seconds": 0.0, "score_seconds": 0.0, "wall_seconds": 0.0}
                due.append(replace(outcome, idea_id=idea.id, log_tail="", **nothing))
        self.book.enter([row_of(outcome) for outcome in due])

    # ---- update --------------------------------------------------------------------------------

    async def _updated(self, epoch: int, baseline: Scored) -> None:
        """Update the policy by an epoch's rewards, and enter what came of it."""
        learned = self._schooling.of(epoch, baseline)
        if not learned.lessons:
            log.info("epoch %d: all rewards are alike, and nothing is to be learned", epoch)
            self._enter_update(epoch, learned, None)
            return
        checkpoint = await self._weights_before(epoch)
        order = partial(self._updating, epoch, learned, checkpoint)
        result = await self._stage(stage_name(epoch, StageKind.UPDATE), order)
        # before the entry, after which nobody comes back to this epoch
        rotate(self.workspace.policy, self.config.rl.keep)
        self._enter_update(epoch, learned, result)

    def _enter_update(self, epoch: int, learned: Taught, result: StageResult | None) -> None:
        numbers = result.numbers if result else {}
        sampling = result_in(self.workspace.stage(stage_name(epoch, StageKind.SAMPLE)))
        rewards = learned.rewards or (0.0,)
        jobs = [one for one in (sampling, result) if one]
        update = Update(
            epoch=epoch,
            rollouts=learned.rollouts if result else 0,
            late=learned.late if result else 0,
            reward_mean=float(np.mean(rewards)),
            reward_max=max(rewards),
            loss=numbers.get("loss"),
            grad_norm=numbers.get("grad_norm"),
            entropy=numbers.get("entropy"),
            kl=numbers.get("kl"),
            clipped=numbers.get("clipped"),
            tokens=int(numbers.get("tokens", 0)),
            sample_seconds=_seconds(sampling),
            update_seconds=_seconds(result),
            gpu_seconds=sum(one.gpu_seconds for one in jobs),
            created_at=self.now(),
        )
        self.book.enter([update])
        log.info("epoch %d: mean reward %.4f over %d", epoch, update.reward_mean, len(rewards))

    # ---- jobs ----------------------------------------------------------------------------------

    async def _stage(self, stage: str, order: Callable[[str, int], Order]) -> StageResult:
        """Run a job on the policy, if the budget has room for it at its most."""
        policy = self.config.policy
        limit = policy.update_seconds if stage.endswith(StageKind.UPDATE) else policy.sample_seconds
        folder = self.workspace.stage(stage)
        async with self.gpu.promise(
            policy.gpus * policy.nodes * limit / 3600, has_begun=folder.exists()
        ):
            return await self.stages.run(stage, order)

    def _sampling(
        self,
        epoch: int,
        prompt: tuple[Message, ...],
        checkpoint: Path | None,
        name: str,
        attempt: int,
    ) -> Order:
        order = self._order(StageKind.SAMPLE, epoch, checkpoint, name, attempt)
        return replace(
            order,
            product=str(rollouts_of(self.workspace, epoch)),
            count=self.config.rl.group_size,
            messages=prompt,
        )

    def _updating(
        self, epoch: int, learned: Taught, checkpoint: Path | None, name: str, attempt: int
    ) -> Order:
        order = self._order(StageKind.UPDATE, epoch, checkpoint, name, attempt)
        return replace(order, product=str(self._checkpoint(epoch)), lessons=learned.lessons)

    def _order(
        self, kind: StageKind, epoch: int, checkpoint: Path | None, name: str, attempt: int
    ) -> Order:
        return Order(
            name=name,
            kind=kind,
            folder=str(self.workspace.stage(stage_name(epoch, kind)).absolute()),
            attempt=attempt,
            model=str(self.model.absolute()),
            checkpoint=str(checkpoint.absolute()) if checkpoint else None,
            product="",
            seed=self.config.seed * 100_003 + epoch,
            count=0,
            messages=(),
            lessons=(),
            policy=self.config.policy,
            rl=self.config.rl,
        )

    def _checkpoint(self, epoch: int) -> Path:
        return self.workspace.policy.absolute() / checkpoint_name(epoch)


def _seconds(result: StageResult | None) -> float:
    return result.ended_at - result.started_at if result else 0.0
