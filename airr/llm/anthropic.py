"""Claude, through Anthropic's SDK: streamed, with prompt caching.

Imports the SDK, which takes a second: import this module only when it is about to be used.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
from anthropic.lib.streaming import AsyncMessageStream
from anthropic.types import Message

from airr.errors import AirrError, ProviderError
from airr.llm.claude import SAMPLING_API, takes_temperature, thinking_settings
from airr.llm.faults import (
    CHECK_SECONDS,
    Endpoint,
    Refusal,
    fault_of,
    is_final,
    retry_after,
    status_in_stream,
)
from airr.llm.protocol import Completion, CutShort, Request, StopReason, Usage
from airr.llm.retry import Retry, Transient
from airr.llm.streams import Understood, count_in, on_trust, text_in
from airr.llm.tokens import clean, estimated_tokens
from airr.llm.traffic import Traffic

KEY_VARIABLE = "ANTHROPIC_API_KEY"
MOST_MARKS = 3
"""The API takes 4 cache marks in a request; one is the system prompt's."""
CACHE = {"cache_control": {"type": "ephemeral"}}
STOP_REASONS: Mapping[str | None, StopReason] = {
    "refusal": StopReason.REFUSAL,
    "max_tokens": StopReason.MAX_TOKENS,
    "model_context_window_exceeded": StopReason.MAX_TOKENS,
}
log = logging.getLogger(__name__)


class Anthropic:
    """The Anthropic Messages API. `concurrency` bounds the requests under way at once."""

    def __init__(
        self,
        *,
        concurrency: int,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_seconds: float = 300.0,
        retry: Retry | None = None,
    ) -> None:
        """Prepare a client; the key comes from ANTHROPIC_API_KEY unless one is given.

        `timeout_seconds` is the longest silence within an answer: a thinking model sends pings.

        Raises:
            ProviderError: there is no key.
        """
        key = api_key or os.environ.get(KEY_VARIABLE)
        if not key:
            raise ProviderError(f"Claude needs a key: set {KEY_VARIABLE}, or take llm=offline")
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # ours know about slots, prefixes and patience
            timeout=httpx2.Timeout(timeout_seconds, connect=30.0),
        )
        self._endpoint = Endpoint(
            name="Anthropic", url=str(self._client.base_url), key_variable=KEY_VARIABLE, key=key
        )
        self._traffic = Traffic(concurrency=concurrency, retry=retry or Retry())
        self._is_hosted = base_url is None
        self._told: set[str] = set()

    @property
    def name(self) -> str:
        """Return the provider's name, as it stands in the ledger."""
        return "anthropic"

    async def complete(self, request: Request) -> Completion:
        """Answer one request; see `Provider`."""
        self._tell_if_ignored(request)
        return await self._traffic.send(request, self._attempt)

    def check(self, model: str) -> bool:
        """Return whether the endpoint accepts the key and knows the model; False: it did not say.

        It is asked for the model's description, which costs nothing. Whatever goes wrong there
        shows at the first question, which is patient; so does a gateway's want of descriptions.

        Raises:
            ProviderError: it refuses the key, or does not know the model.
        """
        with anthropic.Anthropic(
            api_key=self._client.api_key,
            base_url=self._client.base_url,
            max_retries=0,
            timeout=CHECK_SECONDS,
        ) as client:
            try:
                client.models.retrieve(model)
            except anthropic.APIError as error:
                if is_final(error, hosted=self._is_hosted):
                    raise self._fault(error, model) from error
                return False
            except ValueError:
                return False  # a page in place of a description
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _attempt(self, request: Request, begun: Callable[[], None]) -> Completion:
        try:
            async with self._client.messages.stream(**parameters(request)) as stream:
                last = None
                try:
                    async for event in Understood(stream):
                        begun()
                        last = event.type
                except asyncio.CancelledError:
                    with suppress(Transient):  # what has come of it is no message yet
                        raise CutShort(partial_of(_message_of(stream))) from None
                    raise
                if last != "message_stop":
                    raise Transient("the answer broke off before its end")
                return completion_of(_message_of(stream))
        except anthropic.APIError as error:
            raise self._fault(error, request.model) from error
        except httpx2.TransportError as error:
            # the SDK wraps these only until the stream begins
            raise Transient(f"the answer broke off: {error!r}") from error

    def _fault(self, error: anthropic.APIError, model: str) -> Transient | AirrError:
        if not isinstance(error, anthropic.APIStatusError):
            said = self._endpoint.without_key(error.message)
            return Transient(f"{self._endpoint.name} at {self._endpoint.url}: {said}")
        status = error.status_code
        refusal = Refusal(
            status=status if status >= 400 else status_in_stream(error.type),
            code=error.error_code or error.type or "",
            message=error.api_message or error.message,
            retry_after=retry_after(error.response.headers),
        )
        return fault_of(refusal, self._endpoint, model)

    def _tell_if_ignored(self, request: Request) -> None:
        if request.temperature == 1.0 or takes_temperature(request) or request.model in self._told:
            return
        self._told.add(request.model)
        log.warning(
            "%s takes no temperature here: %g is ignored", request.model, request.temperature
        )


def _message_of(stream: AsyncMessageStream[None]) -> Message:
    """Return what has come of a message.

    Raises:
        Transient: nothing has.
    """
    with on_trust():
        return stream.current_message_snapshot


def parameters(request: Request) -> dict[str, Any]:
    """Return the arguments of `messages.stream` for a request."""
    settings = thinking_settings(request) | {
        "model": request.model,
        "messages": _turns(request),
    }
    if request.system:
        settings["system"] = [{"type": "text", "text": request.system, **CACHE}]
    if request.temperature != 1.0 and takes_temperature(request):
        settings["extra_body"] = {"temperature": request.temperature}
        settings["extra_headers"] = {"anthropic-version": SAMPLING_API}
    return settings


def _turns(request: Request) -> list[dict[str, Any]]:
    """Return the messages as turns of blocks; neighbours of one role share a turn."""
    marked = [i for i, message in enumerate(request.messages) if message.cache_until_here]
    kept = set(marked[-MOST_MARKS:])
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(request.messages):
        block = {"type": "text", "text": message.text, **(CACHE if index in kept else {})}
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"].append(block)
        else:
            turns.append({"role": message.role, "content": [block]})
    return turns


def completion_of(message: Message) -> Completion:
    """Return a whole Claude message in our terms.

    Raises:
        Transient: it is none.
    """
    with on_trust():
        blocks = message.content
        text = "".join(text_in(block.text) for block in blocks if block.type == "text")
        thinking = "".join(text_in(block.thinking) for block in blocks if block.type == "thinking")
        return Completion(
            text=clean(text),
            thinking=clean(thinking),
            stop_reason=STOP_REASONS.get(message.stop_reason, StopReason.END),
            stop_detail=_stop_detail(message),
            model=text_in(message.model),
            usage=_usage(message, thinking),
        )


def partial_of(message: Message) -> Completion:
    """Return what has come of a message; its output is counted by the endpoint only at its end."""
    completion = completion_of(message)
    thinking = estimated_tokens(completion.thinking)
    written = max(completion.usage.output_tokens, thinking + estimated_tokens(completion.text))
    usage = replace(completion.usage, output_tokens=written, thinking_tokens=thinking)
    return replace(completion, usage=usage)


def _stop_detail(message: Message) -> str:
    details = message.stop_details
    if details is None:
        return ""
    parts = (text_in(details.category), text_in(details.explanation))
    return clean(": ".join(part for part in parts if part))


def _usage(message: Message, thinking: str) -> Usage:
    usage = message.usage
    details = usage.output_tokens_details
    written = count_in(usage.output_tokens)
    return Usage(
        input_tokens=count_in(usage.input_tokens),
        cache_read_tokens=count_in(usage.cache_read_input_tokens),
        cache_write_tokens=count_in(usage.cache_creation_input_tokens),
        output_tokens=written,
        thinking_tokens=(
            count_in(details.thinking_tokens)
            if details
            else min(estimated_tokens(thinking), written)
        ),
    )
