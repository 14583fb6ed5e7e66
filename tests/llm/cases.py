"""Requests, retries and providers that the tests of this folder share."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from airr.llm.prices import Price
from airr.llm.protocol import Message, Purpose, Request
from airr.llm.retry import Retry
from tests.llm.loopback import KEY, Loopback

if TYPE_CHECKING:
    from airr.llm.anthropic import Anthropic
    from airr.llm.openai import OpenAI

PRICES = {
    "claude-opus-4-5": Price(input=5, cache_write=6.25, cache_read=0.5, output=25),
    "local-model": Price(input=1, cache_write=1, cache_read=0.1, output=5),
}
MODEL = {"anthropic": "claude-opus-4-5", "openai": "local-model"}


def request(prompt: str = "hello", **changes: Any) -> Request:
    """Return a request with one user message, unless `messages` are given."""
    plain: dict[str, Any] = {
        "id": f"id of {prompt}",
        "purpose": Purpose.IDEATE,
        "model": "claude-opus-4-5",
        "system": "You are a researcher.",
        "messages": (Message("user", prompt),),
        "temperature": 1.0,
        "max_tokens": 1000,
        "thinking_tokens": 0,
        "seed": 0,
    }
    return Request(**plain | changes)


def impatient(waits: list[float] | None = None, patience_seconds: float = 1800.0) -> Retry:
    """Return a policy that notes its waits in `waits` instead of waiting."""
    noted = [] if waits is None else waits

    async def note(seconds: float) -> None:
        noted.append(seconds)

    return Retry(sleep=note, rng=random.Random(0), patience_seconds=patience_seconds)


@asynccontextmanager
async def serving_at(kind: str, url: str, **changes: Any) -> AsyncGenerator[Anthropic | OpenAI]:
    """Yield a provider of one kind that talks to a loopback server by its address."""
    settings: dict[str, Any] = {
        "concurrency": 16,
        "api_key": KEY,
        "timeout_seconds": 10.0,
        "retry": impatient(),
    } | changes
    if kind == "anthropic":
        from airr.llm.anthropic import Anthropic  # noqa: PLC0415 - each SDK takes a second

        provider = Anthropic(base_url=url, **settings)
    else:
        from airr.llm.openai import OpenAI  # noqa: PLC0415

        provider = OpenAI(base_url=f"{url}/v1", **settings)
    try:
        yield provider
    finally:
        await provider.aclose()


@asynccontextmanager
async def serving(
    kind: str, loopback: Loopback, **changes: Any
) -> AsyncGenerator[Anthropic | OpenAI]:
    """Yield a provider of one kind that talks to the loopback server."""
    async with serving_at(kind, loopback.url, **changes) as provider:
        yield provider
