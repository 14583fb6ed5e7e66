"""A coroutine -> its result, or a calm end: SIGTERM stops it as Ctrl-C does.

A head that a script put into the background is deaf to SIGINT (POSIX shells ignore it there), and
schedulers, service managers and `airr.cancel` say SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns.

    Raises:
        KeyboardInterrupt: it was told to end, and has put its things away.
    """
    return asyncio.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.ensure_future(work)
    terminated = asyncio.Event()

    def end() -> None:
        terminated.set()
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated.is_set():
            raise KeyboardInterrupt from None
        raise
