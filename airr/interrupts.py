"""A coroutine -> its result, or a calm end: SIGTERM and SIGHUP stop it as Ctrl-C does, once.

A head that a script put into the background is deaf to SIGINT (POSIX shells ignore it there), and
schedulers, service managers and `airr.cancel` say SIGTERM; a connection that breaks says SIGHUP.
Who is impatient signals twice: what a head puts away when it ends must not be broken off by that.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns.

    Raises:
        KeyboardInterrupt: it was told to end, and has put its things away.
    """
    return asyncio.run(_until_told(work))


async def undisturbed(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns; who is cancelled meanwhile, how often ever, is so afterwards."""
    task, cancelled = asyncio.ensure_future(work), None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled
    return task.result()


async def status_of(argv: Sequence[str]) -> int:
    """Return how a program ended; where this is cancelled, it is killed with all that it started.

    It has a process group of its own, so that Ctrl-C is told by whoever waits for it alone.
    """
    program = await asyncio.create_subprocess_exec(*argv, process_group=0)
    try:
        return await program.wait()
    finally:
        if program.returncode is None:
            os.killpg(program.pid, signal.SIGKILL)
            await program.wait()


async def _until_told(work: Coroutine[Any, Any, Result]) -> Result:
    task, told = asyncio.ensure_future(work), asyncio.Event()

    def end() -> None:
        if not told.is_set():
            told.set()
            task.cancel()

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, a shell's background
            asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        return await task
    except asyncio.CancelledError:
        if told.is_set():
            raise KeyboardInterrupt from None
        raise
