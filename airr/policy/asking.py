"""The policy's one prompt of an epoch, and what its answers are: ideas, or none."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from airr.estimates import NOBODYS_FAULT
from airr.policy.diversity import canonical
from airr.policy.orders import Message
from airr.policy.rollouts import Rollout
from airr.records import (
    Failed,
    Idea,
    Origin,
    Outcome,
    Reason,
    Scored,
    Stage,
    Trial,
    Wanted,
)
from airr.researcher.blocks import parse_blocks
from airr.researcher.questions import Conversation, Questions
from airr.researcher.strategy import IdeaRequest

LONGEST_ANSWER_KEPT = 2000
"""Characters of an answer that holds no idea, for people to see."""


def prompt_for(
    questions: Questions,
    *,
    epoch: int,
    baseline: Scored,
    trials: Sequence[Trial],
    shown: int,
    rng: random.Random,
) -> tuple[Message, ...]:
    """Return the prompt of an epoch's group, with `shown` past ideas drawn from all in it.

    That is the paper's dynamic prompt; with none, every epoch has the same one.
    """
    drawn = rng.sample(list(trials), min(shown, len(trials)))
    wanted = IdeaRequest(origin=Origin.RL, count=1, shown=tuple(drawn))
    request = questions.next(Conversation.of(wanted, 0, epoch, f"{baseline.metric:.4f}", tried=()))
    said = [Message(role=one.role, content=one.text) for one in request.messages]
    return (Message(role="system", content=request.system), *said)


class Answers:
    """Turns the rollouts of an epoch into ideas, of which none is run twice."""

    def __init__(
        self, *, model: str, prompt: Sequence[Message], now: Callable[[], datetime]
    ) -> None:
        """Take answers of `model` to `prompt`."""
        text = "\n\n".join(one.content for one in prompt)
        self._model = model
        self._hash = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        self._now = now

    def ideas(
        self,
        rollouts: Sequence[Rollout],
        epoch: int,
        past: Mapping[str, Idea],
        outcomes: Mapping[Wanted, Outcome],
    ) -> tuple[list[Idea], list[Failed]]:
        """Return an idea for each rollout, and the outcome of those that hold none.

        One with the text of an earlier idea, in this epoch or before, shares that one's outcome;
        unless that has failed without being to blame.
        """
        first: dict[str, str] = {}
        for idea in past.values():
            is_origin = idea.same_as is None and _may_be_shared(outcomes.get((idea.id, 0)))
            if is_origin:
                first.setdefault(canonical(idea.text), idea.id)
        ideas: list[Idea] = []
        failed: list[Failed] = []
        for rollout in rollouts:
            blocks = parse_blocks(rollout.text, is_cut=not rollout.finished)
            idea_id = f"e{epoch:02d}-i{rollout.place:03d}"
            text = blocks[0].text if blocks else rollout.text[:LONGEST_ANSWER_KEPT]
            same_as = first.get(canonical(text)) if blocks else None
            if blocks:
                first.setdefault(canonical(text), idea_id)
            else:
                failed.append(self._none_in(rollout, idea_id))
            ideas.append(self._idea(rollout, idea_id, epoch, text, same_as))
        return ideas, failed

    def _idea(
        self, rollout: Rollout, idea_id: str, epoch: int, text: str, same_as: str | None
    ) -> Idea:
        return Idea(
            id=idea_id,
            epoch=epoch,
            text=text,
            origin=Origin.RL,
            parents=(),
            same_as=same_as,
            model=self._model,
            thinking_tokens=rollout.thinking_tokens,
            idea_tokens=len(rollout.tokens) - rollout.thinking_tokens,
            prompt_hash=self._hash,
            call_id=f"e{epoch:02d}/rl-{rollout.place}",
            created_at=self._now(),
        )

    def _none_in(self, rollout: Rollout, idea_id: str) -> Failed:
        cut = "" if rollout.finished else f", which was cut off after {len(rollout.tokens)} tokens"
        return Failed(
            idea_id=idea_id,
            repeat=0,
            attempt=0,
            stage=Stage.IDEATE,
            reason=Reason.NO_IDEA,
            detail=f"no complete [Experiment] and [Code Changes] in the answer{cut}",
            ended_at=self._now(),
        )


def _may_be_shared(outcome: Outcome | None) -> bool:
    return not (isinstance(outcome, Failed) and outcome.reason in NOBODYS_FAULT)
