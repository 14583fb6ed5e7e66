"""What the system asks of a language model, whoever serves it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from airr.errors import AirrError


class Purpose(StrEnum):
    """Which role of the campaign is asking."""

    IDEATE = "ideate"
    """Propose research ideas in plain language."""
    IMPLEMENT = "implement"
    """Turn one idea into a diff, or mend a diff that failed."""
    LABEL = "label"
    """Say of which kind an idea is: no part of a campaign, see analysis/kinds_of_ideas.py."""


class StopReason(StrEnum):
    """Why a model stopped writing."""

    END = "end"
    """It was done."""
    MAX_TOKENS = "max_tokens"
    """The answer was cut off at `max_tokens`."""
    REFUSAL = "refusal"
    """It declined to answer."""
    CANCELLED = "cancelled"
    """Its answer was no longer wanted: what had come of it is billed, and answers nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `role` is "user" or "assistant".

    `cache_until_here` marks the end of a prefix that other requests share, so that a provider
    with prompt caching may be told to keep it.
    """

    role: str
    text: str
    cache_until_here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `id` is unique in the campaign and stable over restarts.

    `variables` are what the prompt was rendered from; the offline provider reads them where a
    real model reads the words. `max_tokens` bounds the answer; thinking comes on top of it.
    `thinking_tokens` of 0 asks for none, or for the least that the model allows. Models that
    fix their own sampling ignore `temperature`, and most hosted ones `seed`. `left_out` says what
    the prompt would have shown if there had been room for it. `may_wait` says that its answer may
    come hours later, if that is cheaper. `member` names who is asked, where several models play
    the role.
    """

    id: str
    purpose: Purpose
    model: str
    system: str
    messages: tuple[Message, ...]
    temperature: float
    max_tokens: int
    thinking_tokens: int
    seed: int
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    left_out: str = ""
    may_wait: bool = False
    member: str = ""

    @property
    def served_by(self) -> str:
        """Return under which name its provider is known."""
        return f"{self.purpose}/{self.member}" if self.member else self.purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens billed for one call.

    `input_tokens` leaves out what the cache read or wrote; `output_tokens` includes
    `thinking_tokens`. Where an endpoint does not count, a number is estimated from lengths.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """An answer. `model` is what the endpoint says it ran.

    An empty `text` is an answer too: it was billed. `stop_detail` is what the endpoint says of
    a refusal, such as its category; "" where it says nothing. `discount` is the share of the list
    price that was not billed.
    """

    text: str
    thinking: str
    stop_reason: StopReason
    model: str
    usage: Usage
    stop_detail: str = ""
    discount: float = 0.0

    @property
    def is_void(self) -> bool:
        """Tell whether there is nothing to go on from: it declined, or said nothing."""
        return self.stop_reason is StopReason.REFUSAL or not self.text.strip()

    @property
    def is_cut(self) -> bool:
        """Tell whether the answer lacks its end."""
        return self.stop_reason is StopReason.MAX_TOKENS


class CutShort(asyncio.CancelledError):
    """A request was cancelled after its answer had begun; `completion` is what is billed of it."""

    def __init__(self, completion: Completion) -> None:
        super().__init__()
        self.completion = replace(completion, stop_reason=StopReason.CANCELLED)


class ContextTooLong(AirrError):
    """The prompt does not fit the model's context: show less of the past, and ask again."""


class Provider(Protocol):
    """Somebody who answers requests."""

    @property
    def name(self) -> str:
        """Return the provider's name, as it stands in the ledger."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Answer one request; transient faults are retried inside.

        Cancelling the task ends the request at the endpoint too, so that it stops costing; if
        its answer had begun, the cancellation comes as `CutShort`.

        Raises:
            ContextTooLong: the prompt does not fit; a shorter one would.
            ProviderError: the endpoint cannot be used at all (bad key, unknown model, refused
                connection after every retry).
        """
        ...


def prompt_hash(request: Request) -> str:
    """Return the sha256 of all that shapes the answer: model, words and sampling."""
    sampling = (request.temperature, request.max_tokens, request.thinking_tokens, request.seed)
    return _hash_of(request.model, request.system, request.messages, *sampling)


@lru_cache(maxsize=256, typed=True)
def _hash_of(model: str, system: str, messages: Sequence[Message], *sampling: float) -> str:
    """Return the hash; whoever looks a request up and then asks it needs it several times."""
    temperature, max_tokens, thinking_tokens, seed = sampling
    turns = ",".join(f"[{_json(one.role)},{_json(one.text)}]" for one in messages)
    canonical = (
        f'{{"max_tokens":{_json(max_tokens)},"messages":[{turns}],"model":{_json(model)},'
        f'"seed":{_json(seed)},"system":{_json(system)},"temperature":{_json(temperature)},'
        f'"thinking_tokens":{_json(thinking_tokens)}}}'
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


@lru_cache(maxsize=64, typed=True)
def _json(value: str | float) -> str:
    """Return a value as JSON; a system prompt holds a codebase, and samples and ideas share it."""
    return json.dumps(value)
