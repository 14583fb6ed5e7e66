"""A model that says what a test wrote for it, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from airr.llm.protocol import Completion, Request, StopReason, Usage


class Scripted:
    """Answers each request with what `script` returns for it."""

    def __init__(self, script: Callable[[Request], str | Completion]) -> None:
        self.asked: list[Request] = []
        self._script = script

    async def ask(self, request: Request) -> Completion:
        self.asked.append(request)
        await asyncio.sleep(0)
        said = self._script(request)
        return said if isinstance(said, Completion) else answer(said)


def answer(text: str, stop_reason: StopReason = StopReason.END, **usage: int) -> Completion:
    return Completion(
        text=text, thinking="", stop_reason=stop_reason, model="scripted", usage=Usage(**usage)
    )
