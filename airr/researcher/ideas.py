"""Requests -> Ideas: the ideator asks a model until each request has its number of new ideas."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airr.config import Base, Metric, Search
from airr.llm.protocol import Completion, ContextTooLong, Request, StopReason
from airr.records import Idea, Origin, Scored
from airr.researcher.blocks import Block, parse_blocks
from airr.researcher.novelty import Novelty
from airr.researcher.questions import Conversation, Questions, Turn
from airr.researcher.strategy import IdeaRequest

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often a model is asked for what is missing before an epoch makes do with less."""

Ask = Callable[[Request], Coroutine[Any, Any, Completion]]


@dataclass(frozen=True, slots=True)
class _Offer:
    """What one round of one conversation brought."""

    conversation: Conversation
    request: Request
    completion: Completion
    blocks: tuple[Block, ...]


class Ideator:
    """Proposes ideas for one environment."""

    def __init__(
        self,
        questions: Questions,
        *,
        metric: Metric,
        search: Search,
        ask: Ask,
        now: Callable[[], datetime],
    ) -> None:
        """Ask these questions; `ask` answers them."""
        self._questions = questions
        self._metric = metric
        self._search = search
        self._ask = ask
        self._now = now
        self._novelty = Novelty()

    async def propose(
        self,
        requests: Sequence[IdeaRequest],
        *,
        epoch: int,
        baseline: Scored,
        tried: Sequence[str],
        first: int = 0,
    ) -> tuple[Idea, ...]:
        """Return ideas of an epoch, numbered from `first` on in the order of the requests.

        The requests are asked side by side; what repeats an idea of `tried`, or an earlier one
        of this epoch, is dropped and asked for again.

        Raises:
            ProviderError: the model cannot be asked at all.
            ContextTooLong: not even a prompt without any past idea fits the model.
        """
        score = f"{baseline.metric:.4f}"
        conversations = _with_sharing(
            [Conversation.of(one, n, epoch, score, tried) for n, one in enumerate(requests, first)]
        )
        offers = await _all_of(self._offer(one) for one in conversations)
        ideas: list[Idea] = []
        for request, offer in zip(requests, offers, strict=True):
            known = [*tried, *(idea.text for idea in ideas)]
            found = await self._fill(request, offer, known)
            ideas += [
                self._idea(request, made, block, epoch, first + len(ideas) + n)
                for n, (made, block) in enumerate(found)
            ]
        return tuple(ideas)

    async def _fill(
        self, request: IdeaRequest, offer: _Offer, known: Sequence[str]
    ) -> list[tuple[_Offer, Block]]:
        """Take the new ideas of an offer, and ask on until the request is filled."""
        taken: list[tuple[_Offer, Block]] = []
        for round_number in range(1, ROUNDS + 1):
            texts = [block.text for block in offer.blocks]
            seen = [*known, *(block.text for _, block in taken)]
            again = self._novelty.repeats(texts, seen, self._search.similarity)
            new = [block for block, old in zip(offer.blocks, again, strict=True) if not old]
            taken += [(offer, block) for block in new[: request.count - len(taken)]]
            missing = request.count - len(taken)
            if missing == 0 or round_number == ROUNDS:
                break
            repeated = tuple(text for text, old in zip(texts, again, strict=True) if old)
            offer = await self._offer(offer.conversation.after(_turn(offer, missing, repeated)))
        if len(taken) < request.count:
            log.warning(
                "%s: %d of %d ideas after %d rounds; the epoch goes on with them",
                offer.request.id, len(taken), request.count, ROUNDS,
            )  # fmt: skip
        return taken

    async def _offer(self, conversation: Conversation) -> _Offer:
        """Ask, with less of the past for as long as the prompt is too long for the model."""
        while True:
            request = self._questions.next(conversation)
            try:
                completion = await self._ask(request)
                break
            except ContextTooLong as error:
                shorter = conversation.shortened(self._metric)
                if shorter is None:
                    raise
                conversation = shorter
                log.warning("%s: %s; leaving out %s", request.id, error, conversation.left_out)
        if completion.is_void:
            log.warning("%s: %s", request.id, _void(completion))
        blocks = () if completion.is_void else _blocks(completion)
        return _Offer(conversation, request, completion, blocks)

    def _idea(
        self, request: IdeaRequest, offer: _Offer, block: Block, epoch: int, number: int
    ) -> Idea:
        """Return the record; of the parents that a model names, those count that it was shown."""
        usage, prompt = offer.completion.usage, offer.request.messages[-1].text
        share = max(1, len(offer.blocks))
        return Idea(
            id=f"e{epoch:02d}-i{number:03d}",
            epoch=epoch,
            text=block.text,
            origin=request.origin,
            parents=(parents := _parents(request, offer, block)),
            base=_base(request, parents, self._search.base),
            island=request.island,
            member=request.member,
            model=offer.completion.model,
            thinking_tokens=usage.thinking_tokens // share,
            idea_tokens=usage.output_tokens // share,
            prompt_hash=hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:16],
            call_id=offer.request.id,
            created_at=self._now(),
        )


def _parents(request: IdeaRequest, offer: _Offer, block: Block) -> tuple[str, ...]:
    shown = {trial.idea.id for trial in offer.conversation.shown}
    named = tuple(parent for parent in block.parents if parent in shown)
    has_one = len(request.shown) == 1 and request.origin in {Origin.EXPLOIT, Origin.DEBUG}
    return named or (tuple(trial.idea.id for trial in request.shown) if has_one else ())


def _base(request: IdeaRequest, parents: Sequence[str], base: Base) -> str | None:
    """Return the idea whose codebase is patched: what is mended stays on what it stood on."""
    if request.origin is Origin.DEBUG:
        return request.shown[0].idea.base
    builds_on = request.origin is Origin.EXPLOIT and base is Base.PARENT
    return parents[0] if builds_on and parents else None


def _with_sharing(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Mark those whose first prompt another one has too, word for word."""
    prompts = [
        (one.wanted.origin, one.wanted.count, one.wanted.member, one.shown) for one in conversations
    ]
    return [
        replace(one, is_shared=prompts.count(prompt) > 1)
        for one, prompt in zip(conversations, prompts, strict=True)
    ]


def _turn(offer: _Offer, missing: int, repeated: tuple[str, ...]) -> Turn | None:
    """Return how a conversation goes on; None where an answer gives nothing to go on from."""
    if offer.completion.is_void:
        return None
    return Turn(
        answer=offer.completion.text,
        blocks=offer.blocks,
        missing=missing,
        repeated=repeated,
        is_cut=offer.completion.is_cut,
    )


def _blocks(completion: Completion) -> tuple[Block, ...]:
    return parse_blocks(completion.text, is_cut=completion.is_cut)


def _void(completion: Completion) -> str:
    if not completion.text.strip() and completion.stop_reason is not StopReason.REFUSAL:
        return f"the answer is empty ({completion.stop_reason})"
    said = f" ({completion.stop_detail})" if completion.stop_detail else ""
    return f"{completion.model} declined{said}"


async def _all_of(offers: Iterable[Coroutine[Any, Any, _Offer]]) -> list[_Offer]:
    """Return all offers; where one fails, the others still come to their end, for they are paid."""
    done = await asyncio.gather(*offers, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return [one for one in done if isinstance(one, _Offer)]
