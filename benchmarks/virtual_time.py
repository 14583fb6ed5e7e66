"""An event loop whose clock jumps: coroutines that wait for hours are done in seconds.

Nothing may wait for another process or thread: while no coroutine can go on, time does.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


class _Jump(selectors.SelectSelector):
    """Finds nothing ready, and instead of waiting lets time go on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is left that could ever happen")
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, but for what it takes for the time: seconds since it was made."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._jump.now


def run(work: Coroutine[Any, Any, Value]) -> Value:
    """Return what comes of a coroutine, without waiting for what it waits for."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
