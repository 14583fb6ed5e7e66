"""This machine's room for tasks, given out in the order of asking to whoever shares it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from airr.cluster.protocol import JobArray

Gpus = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine may give to tasks. `slots` of 0 means as many as the rest allows."""

    cpus: int
    gpus: int
    slots: int = 0

    def room_for(self, array: JobArray) -> int:
        """Return how many tasks of this size fit side by side."""
        by_cpus = self.cpus // array.cpus
        by_gpus = self.gpus // array.gpus if array.gpus else by_cpus
        return min(self.slots or by_cpus, by_gpus)


class Slots:
    """The tasks that run side by side on a machine, those of several campaigns together."""

    def __init__(self, machine: Machine) -> None:
        """Start with all of the machine free."""
        self.machine = machine
        self._running = 0
        self._free_gpus = list(range(machine.gpus))
        self._queue: deque[tuple[JobArray, asyncio.Future[Gpus]]] = deque()

    @asynccontextmanager
    async def taken_for(self, array: JobArray) -> AsyncGenerator[Gpus]:
        """Wait for the turn of one task of this array, and hold its GPUs while the body runs."""
        turn: asyncio.Future[Gpus] = asyncio.get_running_loop().create_future()
        self._queue.append((array, turn))
        self._admit()
        try:
            yield await turn
        finally:
            self._leave(turn)

    def _admit(self) -> None:
        while self._queue:
            array, turn = self._queue[0]
            if not turn.cancelled():
                fits = self._running < self.machine.room_for(array)
                if not fits or len(self._free_gpus) < array.gpus:
                    return
                self._running += 1
                turn.set_result(tuple(self._free_gpus.pop(0) for _ in range(array.gpus)))
            self._queue.popleft()

    def _leave(self, turn: asyncio.Future[Gpus]) -> None:
        if not turn.cancelled():
            self._running -= 1
            self._free_gpus += turn.result()
        self._admit()
