"""How many requests may be under way at once: halved by overload, slowly grown by success.

Additive increase, multiplicative decrease, as in TCP congestion control (Chiu and Jain, 1989).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from airr.llm.retry import Transient


class AdaptiveLimit:
    """Slots for requests, given out in the order in which they are asked for."""

    def __init__(self, most: int) -> None:
        """Begin with `most` slots, which is also the bound for ever."""
        self._most = most
        self._limit = float(most)
        self._active = 0
        self._cuts = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Return how many requests may be under way now."""
        return int(self._limit)

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Hold a slot, and learn from how its request ends.

        Requests that were under way together fail together: only the first of them halves.
        """
        await self._acquire()
        cuts_before = self._cuts
        try:
            yield
            self._limit = min(self._most, self._limit + 1 / self._limit)
        except Transient as fault:
            if fault.overloaded and self._cuts == cuts_before:
                self._cuts += 1
                self._limit = max(1.0, self._limit / 2)
            raise
        finally:
            self._release()

    async def _acquire(self) -> None:
        if self._active < self.limit:  # then nobody waits: a release grants all it can
            self._active += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._release()  # the slot was granted as the waiter was cancelled
            raise

    def _release(self) -> None:
        self._active -= 1
        while self._queue and self._active < self.limit:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                self._active += 1
