"""How requests leave for an endpoint: prefix leaders first, within the limit, tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from airr.llm.concurrency import AdaptiveLimit
from airr.llm.prefix import PrefixGate, shared_prefixes
from airr.llm.protocol import Completion, Request
from airr.llm.retry import Retry

Attempt = Callable[[Request, Callable[[], None]], Awaitable[Completion]]
"""One try at a request; it calls its second argument when the answer begins to arrive."""


class Traffic:
    """The rules of the road between one provider and its endpoint."""

    def __init__(self, *, concurrency: int, retry: Retry) -> None:
        """Allow at most `concurrency` requests at once, and fewer while the endpoint objects."""
        self.limit = AdaptiveLimit(concurrency)
        self._gate = PrefixGate()
        self._retry = retry

    async def send(self, request: Request, attempt: Attempt) -> Completion:
        """Return the answer of the first attempt that succeeds.

        Between attempts no slot is held, so that others may go on.

        Raises:
            ProviderError: waiting would not help, or did not.
        """
        prefixes = shared_prefixes(request)

        async def once() -> Completion:
            async with self._gate.passing(prefixes) as begun, self.limit.slot():
                return await attempt(request, begun)

        return await self._retry.call(once, f"{request.id} to {request.model}")
