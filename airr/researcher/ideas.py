"""Requests -> Ideas: the ideator asks a model until each request has its number of new ideas."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airr.config import Metric, Role, Search
from airr.llm.protocol import Completion, Request
from airr.prompts import Prompts
from airr.records import Idea, Scored
from airr.researcher.blocks import Block, parse_blocks
from airr.researcher.novelty import repeats
from airr.researcher.questions import Questions
from airr.researcher.strategy import IdeaRequest

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often a model is asked for what is missing before an epoch makes do with less."""

Ask = Callable[[Request], Coroutine[Any, Any, Completion]]


@dataclass(frozen=True, slots=True)
class _Offer:
    """What one round of one request brought."""

    request: Request
    completion: Completion
    blocks: tuple[Block, ...]


class Ideator:
    """Proposes ideas for one environment."""

    def __init__(  # noqa: PLR0913 - the composition root of one stage
        self,
        *,
        task: str,
        codebase: Mapping[str, str],
        metric: Metric,
        role: Role,
        search: Search,
        ask: Ask,
        prompts: Prompts,
        seed: int,
        now: Callable[[], datetime],
    ) -> None:
        """Propose for this codebase; `ask` answers requests."""
        self._questions = Questions(
            task=task, codebase=codebase, metric=metric, role=role, prompts=prompts, seed=seed
        )
        self._search = search
        self._ask = ask
        self._now = now

    async def propose(
        self,
        requests: Sequence[IdeaRequest],
        *,
        epoch: int,
        baseline: Scored,
        tried: Sequence[str],
    ) -> tuple[Idea, ...]:
        """Return the ideas of an epoch, numbered in the order of its requests.

        The requests are asked side by side; what repeats an idea of `tried`, or an earlier one
        of this epoch, is dropped and asked for again.

        Raises:
            ProviderError: the model cannot be asked at all.
        """
        asked = [
            self._questions.first(request, number, epoch, f"{baseline.metric:.4f}", tried)
            for number, request in enumerate(requests)
        ]
        offers = await asyncio.gather(*(self._offer(request) for request in asked))
        ideas: list[Idea] = []
        for request, offer in zip(requests, offers, strict=True):
            known = [*tried, *(idea.text for idea in ideas)]
            found = await self._fill(request, offer, known)
            ideas += [
                self._idea(request, made, block, epoch, len(ideas) + n)
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
            again = repeats(texts, seen, self._search.similarity)
            new = [block for block, old in zip(offer.blocks, again, strict=True) if not old]
            taken += [(offer, block) for block in new[: request.count - len(taken)]]
            missing = request.count - len(taken)
            if missing == 0 or round_number == ROUNDS:
                break
            repeated = [text for text, old in zip(texts, again, strict=True) if old]
            rest = self._questions.for_the_rest(
                offer.request, offer.completion.text, round_number, missing, repeated
            )
            offer = await self._offer(rest)
        if len(taken) < request.count:
            log.warning(
                "%s: %d of %d ideas after %d rounds; the epoch goes on with them",
                offer.request.id, len(taken), request.count, ROUNDS,
            )  # fmt: skip
        return taken

    async def _offer(self, request: Request) -> _Offer:
        completion = await self._ask(request)
        return _Offer(request, completion, parse_blocks(completion.text))

    def _idea(
        self, request: IdeaRequest, offer: _Offer, block: Block, epoch: int, number: int
    ) -> Idea:
        """Return the record; of the parents that a model names, those count that it was shown."""
        usage, prompt = offer.completion.usage, offer.request.messages[-1].text
        shown = {trial.idea.id for trial in request.shown}
        share = max(1, len(offer.blocks))
        return Idea(
            id=f"e{epoch:02d}-i{number:03d}",
            epoch=epoch,
            text=block.text,
            origin=request.origin,
            parents=tuple(parent for parent in block.parents if parent in shown),
            model=offer.completion.model,
            thinking_tokens=usage.thinking_tokens // share,
            idea_tokens=usage.output_tokens // share,
            prompt_hash=hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:16],
            call_id=offer.request.id,
            created_at=self._now(),
        )
