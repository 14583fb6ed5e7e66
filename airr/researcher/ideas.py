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
from airr.llm.protocol import Completion, Message, Purpose, Request
from airr.prompts import Prompts, numbered
from airr.records import Idea, Scored, Trial
from airr.researcher.blocks import Block, parse_blocks
from airr.researcher.novelty import repeats
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
        """Ask with the whole codebase in the prompt, line numbers and all."""
        self._metric = metric
        self._role = role
        self._search = search
        self._ask = ask
        self._prompts = prompts
        self._seed = seed
        self._now = now
        self._shared = {
            "task": task,
            "files": {path: numbered(text) for path, text in sorted(codebase.items())},
        }

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
            self._request(request, number, epoch, baseline, tried)
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
            offer = await self._offer(self._ask_for_rest(offer, round_number, missing, repeated))
        if len(taken) < request.count:
            log.warning(
                "%s: %d of %d ideas after %d rounds; the epoch goes on with them",
                offer.request.id, len(taken), request.count, ROUNDS,
            )  # fmt: skip
        return taken

    async def _offer(self, request: Request) -> _Offer:
        completion = await self._ask(request)
        return _Offer(request, completion, parse_blocks(completion.text))

    def _request(
        self,
        request: IdeaRequest,
        number: int,
        epoch: int,
        baseline: Scored,
        tried: Sequence[str],
    ) -> Request:
        shown = [self._shown(trial) for trial in request.shown]
        variables = {
            "origin": str(request.origin),
            "count": request.count,
            "metric": self._metric,
            "baseline": f"{baseline.metric:.4f}",
            "shown": shown,
        }
        prompt = self._prompts.render(f"ideate/{request.origin}.j2", variables)
        return Request(
            id=f"e{epoch:02d}/{request.origin}-{number}",
            purpose=Purpose.IDEATE,
            model=self._role.model,
            system=self._prompts.render("ideate/system.j2", self._shared),
            messages=(Message("user", prompt),),
            temperature=self._role.temperature,
            max_tokens=self._role.max_tokens,
            thinking_tokens=self._role.thinking_tokens,
            seed=self._seed,
            variables={**variables, "tried": list(tried)},
        )

    def _ask_for_rest(
        self, offer: _Offer, round_number: int, missing: int, repeated: Sequence[str]
    ) -> Request:
        """Return the same conversation with a request for what is still missing."""
        last = offer.request
        variables = {"count": missing, "repeated": list(repeated)}
        tried = [*last.variables["tried"], *(block.text for block in offer.blocks)]
        return Request(
            id=f"{last.id.partition('#')[0]}#{round_number}",
            purpose=last.purpose,
            model=last.model,
            system=last.system,
            messages=(
                *last.messages,
                Message("assistant", offer.completion.text or "(no answer)"),
                Message("user", self._prompts.render("ideate/more.j2", variables)),
            ),
            temperature=last.temperature,
            max_tokens=last.max_tokens,
            thinking_tokens=last.thinking_tokens,
            seed=last.seed,
            variables={**last.variables, **variables, "tried": tried},
        )

    def _shown(self, trial: Trial) -> dict[str, str]:
        """Return what a prompt says of a past trial: its text, and its score or its failure."""
        outcome = trial.outcome
        if isinstance(outcome, Scored):
            result = f"{self._metric.name} {outcome.metric:.4f}"
        else:
            result = f"failed ({outcome.reason} while {outcome.stage})"
        return {"id": trial.idea.id, "text": trial.idea.text, "result": result}

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
