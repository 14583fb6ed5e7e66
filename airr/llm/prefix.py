"""The first request of a fan-out goes ahead alone until its first token, then the rest follow.

A prompt cache can be read only once the request that writes it has begun to answer: sent
together, ten requests that share a codebase would each pay for writing it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from airr.llm.protocol import Request

WARM_SECONDS = 240.0
"""How long after its last use a prefix is trusted to be cached; caches live 300 s or more."""
SHORTEST_CHARACTERS = 2000
"""Below some 512 tokens no vendor caches, so that waiting would gain nothing."""


def shared_prefixes(request: Request) -> tuple[str, ...]:
    """Return a key of each prefix that others share, shortest first: the system, then each mark."""
    digest = hashlib.sha256(f"{request.model}\0{request.system}".encode())
    length = len(request.system)
    marks = [(length, digest.hexdigest())]
    for message in request.messages:
        digest.update(f"\0{message.role}\0{message.text}".encode())
        length += len(message.text)
        if message.cache_until_here:
            marks.append((length, digest.hexdigest()))
    return tuple(key for length, key in marks if length >= SHORTEST_CHARACTERS)


class PrefixGate:
    """Lets one request at a time through with a cold prefix, and any number once it is warm."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with every prefix cold; `clock` counts seconds."""
        self._clock = clock
        self._warm_until: dict[str, float] = {}
        self._leaders: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def passing(self, prefixes: Sequence[str]) -> AsyncGenerator[Callable[[], None]]:
        """Wait until a request may go, then yield what to call when its answer begins.

        `prefixes` run from the shortest to the longest: nested ones are waited for in turn, so
        that the first samples of different ideas do not all write the codebase they share.
        """
        async with AsyncExitStack() as stack:
            for prefix in prefixes:
                await stack.enter_async_context(self._passing(prefix))
            yield partial(self._warm, prefixes)

    @asynccontextmanager
    async def _passing(self, prefix: str) -> AsyncGenerator[None]:
        while not self._is_warm(prefix):
            leader = self._leaders.get(prefix)
            if leader is None:
                break
            await leader.wait()
        else:
            yield
            return
        begun = self._leaders[prefix] = asyncio.Event()
        try:
            yield
        finally:
            if self._leaders.get(prefix) is begun:  # it failed: the next in line leads
                self._end_lead(prefix)

    def _is_warm(self, prefix: str) -> bool:
        return self._warm_until.get(prefix, 0.0) > self._clock()

    def _warm(self, prefixes: Sequence[str]) -> None:
        now = self._clock()
        self._warm_until = {key: until for key, until in self._warm_until.items() if until > now}
        for prefix in prefixes:
            self._warm_until[prefix] = now + WARM_SECONDS
            self._end_lead(prefix)

    def _end_lead(self, prefix: str) -> None:
        begun = self._leaders.pop(prefix, None)
        if begun is not None:
            begun.set()
