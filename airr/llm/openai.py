"""Any OpenAI-compatible endpoint, hosted or on the cluster, through OpenAI's SDK: streamed.

Imports the SDK, which takes a second: import this module only when it is about to be used.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from airr.errors import AirrError, ProviderError
from airr.llm.chunks import Chunks
from airr.llm.effort import effort_of
from airr.llm.faults import CHECK_SECONDS, Endpoint, Refusal, fault_of, is_final, retry_after
from airr.llm.protocol import Completion, CutShort, Request
from airr.llm.retry import Retry, Transient
from airr.llm.streams import Understood
from airr.llm.traffic import Traffic

KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"
REASONING_MODEL = re.compile(r"(o\d|gpt-([5-9]|\d\d))")
"""OpenAI's own models that reason: they take an effort, and no temperature."""
REASONING_ROOM = 8192
"""Tokens set aside for reasoning whose length a model chooses itself: it counts as output."""


class OpenAI:
    """The chat completions API. `concurrency` bounds the requests under way at once."""

    def __init__(
        self,
        *,
        concurrency: int,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_seconds: float = 300.0,
        retry: Retry | None = None,
    ) -> None:
        """Prepare a client for `base_url`, or for OpenAI itself.

        The key comes from OPENAI_API_KEY unless one is given. Over plain http, as to a model
        served on the cluster, the variable is not sent: others could read it on the way.
        `timeout_seconds` is the longest silence within an answer, its beginning included.

        Raises:
            ProviderError: OpenAI itself is asked, and there is no key.
        """
        url = base_url or os.environ.get(URL_VARIABLE)
        is_plain = url is not None and urlsplit(url).scheme == "http"
        key = api_key or (None if is_plain else os.environ.get(KEY_VARIABLE))
        if not key and url is None:
            raise ProviderError(
                f"OpenAI needs a key: set {KEY_VARIABLE}, name another endpoint with "
                "llm.base_url, or take llm=offline"
            )
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=url,
            max_retries=0,  # ours know about slots, prefixes and patience
            timeout=httpx2.Timeout(timeout_seconds, connect=30.0),
        )
        self._is_hosted = url is None
        self._endpoint = Endpoint(
            name="OpenAI" if url is None else "The OpenAI-compatible endpoint",
            url=str(self._client.base_url),
            key_variable=KEY_VARIABLE,
            key=key or "",
        )
        self._traffic = Traffic(concurrency=concurrency, retry=retry or Retry())

    @property
    def name(self) -> str:
        """Return the provider's name, as it stands in the ledger."""
        return "openai"

    async def complete(self, request: Request) -> Completion:
        """Answer one request; see `Provider`."""
        return await self._traffic.send(request, self._attempt)

    def check(self, model: str) -> bool:
        """Do as `Anthropic.check` does.

        Raises:
            ProviderError: the key is not accepted, or the model not known.
        """
        with openai.OpenAI(
            api_key=self._client.api_key,
            base_url=self._client.base_url,
            max_retries=0,
            timeout=CHECK_SECONDS,
        ) as client:
            try:
                client.models.retrieve(model)
            except openai.APIError as error:
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
        settings = parameters(request, is_hosted=self._is_hosted)
        chunks = Chunks()
        try:
            async with await self._client.chat.completions.create(**settings) as stream:
                try:
                    async for chunk in Understood(stream):
                        begun()
                        chunks.add(chunk)
                except asyncio.CancelledError:
                    with suppress(Transient):  # what has come of it is no answer
                        if chunks.has_begun:
                            raise CutShort(chunks.completion(request)) from None
                    raise
        except openai.APIError as error:
            raise self._fault(error, request.model) from error
        except httpx2.TransportError as error:
            raise Transient(f"the answer broke off: {error!r}") from error
        if not chunks.is_whole:
            raise Transient(
                "the answer broke off before its end"
                if chunks.has_begun
                else f"nothing that came from {self._endpoint.url} is part of a streamed answer: "
                "is it an OpenAI-compatible endpoint that streams?"
            )
        return chunks.completion(request)

    def _fault(self, error: openai.APIError, model: str) -> Transient | AirrError:
        if isinstance(error, openai.APIStatusError):
            status, headers = error.status_code, error.response.headers
        elif isinstance(error, openai.APIConnectionError):
            said = self._endpoint.without_key(error.message)
            return Transient(f"{self._endpoint.name} at {self._endpoint.url}: {said}")
        else:  # inside a stream, where no status can come any more
            status, headers = 500, dict[str, str]()
        refusal = Refusal(
            status=status,
            code=error.code or error.type or "",
            message=error.message,
            retry_after=retry_after(headers),
        )
        return fault_of(refusal, self._endpoint, model)


def parameters(request: Request, *, is_hosted: bool) -> dict[str, Any]:
    """Return the arguments of `chat.completions.create` for a request.

    OpenAI itself and the servers that follow it differ in what they take; other servers think
    as their model does, for no field governs that everywhere.
    """
    settings: dict[str, Any] = {
        "model": request.model,
        "messages": _turns(request),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if not is_hosted:
        return settings | {
            "max_tokens": request.max_tokens + request.thinking_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
    if REASONING_MODEL.match(request.model):
        room = max(REASONING_ROOM, 2 * request.thinking_tokens)
        return settings | {
            "max_completion_tokens": request.max_tokens + room,
            "reasoning_effort": effort_of(request.thinking_tokens),
        }
    return settings | {
        "max_completion_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }


def _turns(request: Request) -> list[dict[str, str]]:
    """Return the messages; neighbours of one role are joined, for many chat templates insist."""
    turns = [{"role": "system", "content": request.system}] if request.system else []
    for message in request.messages:
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += f"\n\n{message.text}"
        else:
            turns.append({"role": message.role, "content": message.text})
    return turns
