"""What the ideator asks a model: a strategy's request, with the whole codebase, as words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from airr.config import IDEATOR, Base, Metric, Role
from airr.llm.protocol import Message, Purpose, Request
from airr.prompts import Prompts, numbered
from airr.records import Dropped, Failed, Scored, Trial, how_it_ended
from airr.researcher.blocks import Block
from airr.researcher.history import most_telling
from airr.researcher.strategy import IdeaRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An answer that brought too little, and what is asked for next in the same conversation."""

    answer: str
    blocks: tuple[Block, ...]
    missing: int
    repeated: tuple[str, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A strategy's request on its way to its ideas; `number` is its place in the epoch.

    `shown` and `turns` are what its next prompt holds: less than there was once that proved too
    long. `asked` counts the questions before this one.
    """

    wanted: IdeaRequest
    number: int
    epoch: int
    baseline: str
    tried: tuple[str, ...]
    shown: tuple[Trial, ...]
    turns: tuple[Turn, ...] = ()
    asked: int = 0
    turns_dropped: int = 0
    is_shared: bool = False
    """Whether other conversations of the epoch begin with the same words."""

    @classmethod
    def of(
        cls, wanted: IdeaRequest, number: int, epoch: int, baseline: str, tried: Sequence[str]
    ) -> Conversation:
        """Return the beginning; `baseline` is what the prompt says of the score.

        What is shown comes in the order of the ids, so that calls that show the same trials begin
        with the same words, which a prompt cache then keeps.
        """
        return cls(
            wanted=wanted,
            number=number,
            epoch=epoch,
            baseline=baseline,
            tried=tuple(tried),
            shown=tuple(sorted(wanted.shown, key=lambda trial: trial.idea.id)),
        )

    @property
    def id(self) -> str:
        """Return the id of the next request, unique in the campaign."""
        again = f"#{self.asked}" if self.asked else ""
        return f"e{self.epoch:02d}/{self.wanted.origin}-{self.number}{again}"

    @property
    def left_out(self) -> str:
        """Return what of the past the next prompt has no room for, "" if nothing."""
        ideas, all_ideas = len(self.wanted.shown) - len(self.shown), len(self.wanted.shown)
        parts = [f"{ideas} of {all_ideas} past ideas"] if ideas else []
        parts += [f"{self.turns_dropped} of its earlier answers"] if self.turns_dropped else []
        return " and ".join(parts)

    def after(self, turn: Turn | None) -> Conversation:
        """Return the conversation with a turn added; None asks the same question afresh."""
        turns = (*self.turns, turn) if turn else self.turns
        return replace(self, turns=turns, asked=self.asked + 1)

    def shortened(self, metric: Metric) -> Conversation | None:
        """Return the conversation with less of the past, or None if nothing can be left out.

        Half of the past ideas go first, down to none; then the oldest answers.
        """
        if self.shown:
            shown = most_telling(self.shown, len(self.shown) // 2, metric)
            return replace(self, shown=shown, is_shared=False)
        if self.turns:
            return replace(self, turns=self.turns[1:], turns_dropped=self.turns_dropped + 1)
        return None


class Questions:
    """Composes the requests for ideas of one environment."""

    def __init__(  # noqa: PLR0913 - what a prompt is made of
        self,
        *,
        task: str,
        codebase: Mapping[str, str],
        reserved: Sequence[str],
        metric: Metric,
        ideators: Mapping[str, Role],
        base: Base,
        prompts: Prompts,
        seed: int,
    ) -> None:
        """Show the whole codebase in every request, line numbers and all.

        `ideators` are those who may be asked, by name: IDEATOR where a request names nobody.
        """
        self._metric = metric
        self._ideators = ideators
        self._base = base
        self._prompts = prompts
        self._seed = seed
        self._shared = {
            "task": task,
            "files": {path: numbered(text) for path, text in sorted(codebase.items())},
            "reserved": reserved,
        }

    def next(self, conversation: Conversation) -> Request:
        """Return the next request of a conversation."""
        wanted, turns = conversation.wanted, conversation.turns
        role = self._ideators[wanted.member or IDEATOR]
        variables = {
            "origin": str(wanted.origin),
            "count": wanted.count,
            "metric": self._metric,
            "baseline": conversation.baseline,
            "base": str(self._base),
            "shown": [self._shown(trial) for trial in conversation.shown],
        }
        prompt = self._prompts.render(f"ideate/{wanted.origin}.j2", variables)
        messages = [Message("user", prompt, cache_until_here=conversation.is_shared)]
        tried = [*conversation.tried]
        for turn in turns:
            rest = {"count": turn.missing, "repeated": turn.repeated, "is_cut": turn.is_cut}
            more = self._prompts.render("ideate/more.j2", rest)
            messages += [Message("assistant", turn.answer), Message("user", more)]
            tried += [block.text for block in turn.blocks]
        return Request(
            id=conversation.id,
            purpose=Purpose.IDEATE,
            model=role.model,
            system=self._prompts.render("ideate/system.j2", self._shared),
            messages=tuple(messages),
            temperature=role.temperature,
            max_tokens=role.max_tokens,
            thinking_tokens=role.thinking_tokens,
            seed=_seed_of(self._seed, conversation.id),
            variables={
                **variables,
                "count": turns[-1].missing if turns else wanted.count,
                "tried": tried,
            },
            left_out=conversation.left_out,
            may_wait=not conversation.asked,
            member=wanted.member or "",
        )

    def _shown(self, trial: Trial) -> dict[str, str]:
        """Return what a prompt says of a past trial: its text, and its score or its failure."""
        outcome = trial.outcome
        match outcome:
            case Scored():
                result = f"{self._metric.name} {outcome.metric:.4f}"
            case Dropped():
                result = f"not run in full ({outcome.reason})"
            case _:
                result = f"failed ({how_it_ended(outcome)})"
        detail = outcome.detail if isinstance(outcome, Failed | Dropped) else ""
        return {"id": trial.idea.id, "text": trial.idea.text, "result": result, "detail": detail}


def _seed_of(seed: int, request_id: str) -> int:
    """Return a seed for each request: a served model gives one seed and prompt one answer."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{request_id}".encode()).digest()[:4]) >> 1
