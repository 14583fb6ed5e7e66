"""Schedules on simulated nodes, in virtual time.

What decides is airr itself: its campaign, executor and scheduler run as they do in a head
(airr/campaign.py, airr/executor), and so do the files between them. Simulated are the clock, the
model, the preflights, and a cluster that gives a free node to the task that has waited longest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

from airr.batch import Batch, Result
from airr.cluster.protocol import JobArray, TaskState, TaskStatus
from airr.executor.codebases import Tree
from airr.head import take_the_head
from airr.llm.protocol import Completion, Purpose, Request
from airr.records import RunKey
from benchmarks import virtual_time
from benchmarks.instant import Cost, Model, Preflight, Workers, catalogue_of, started
from benchmarks.spans import (
    POLL_MINUTES,
    RUN_MINUTES,
    SHARE_READ,
    SLEEP_MINUTES,
    Measured,
    Span,
    Workload,
)

TaskId = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many seconds what takes. `tasks` are samples of how long a task holds its node.

    `gap` is how long a node stands free between two tasks of a full queue; `tick` is airr's.
    """

    ideate: float
    diff: float
    preflight: float
    tasks: tuple[float, ...]
    gap: float
    tick: float
    gather: float

    def task(self, rng: Random) -> float:
        """Return how long the next task holds its node."""
        return rng.choice(self.tasks)


class Nodes(Workers):
    """A cluster of so many nodes, each of which runs one task at a time, in their order."""

    def __init__(self, count: int, pace: Pace, seed: int = 0) -> None:
        """Begin with all nodes free."""
        super().__init__(Cost())
        self.spans: list[Span] = []
        self._pace = pace
        self._free = count
        self._queue: deque[tuple[TaskId, Callable[[], None]]] = deque()
        self._states: dict[TaskId, TaskState] = {}
        self._tasks_rng = Random(seed)

    async def submit(self, array: JobArray) -> None:
        """Queue the tasks of an array."""
        batch = Batch.from_json((array.folder / "batch.json").read_bytes())
        for index in array.indices:
            self.queue((array.name, index), lambda index=index: self.leave_result(batch, index))

    def queue(self, task: TaskId, when_done: Callable[[], None]) -> None:
        """Let a task wait for a node."""
        self._states[task] = TaskState.PENDING
        self._queue.append((task, when_done))
        self._start_what_can()

    def _start_what_can(self) -> None:
        loop = asyncio.get_running_loop()
        while self._free and self._queue:
            self._free -= 1
            task, when_done = self._queue.popleft()
            loop.call_later(self._pace.gap, self._start, task, when_done)

    def _start(self, task: TaskId, when_done: Callable[[], None]) -> None:
        self._states[task] = TaskState.RUNNING
        loop, seconds = asyncio.get_running_loop(), self._pace.task(self._tasks_rng)
        loop.call_later(seconds, self._end, task, loop.time(), when_done)

    def _end(self, task: TaskId, began: float, when_done: Callable[[], None]) -> None:
        self.spans.append(Span(began, asyncio.get_running_loop().time()))
        self._states[task] = TaskState.COMPLETED
        self._free += 1
        when_done()
        self._start_what_can()

    async def survey(
        self, arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]] | None:
        """Return how the tasks stand."""
        return {
            array.name: {
                index: TaskStatus(state=self._states.get((array.name, index), TaskState.GONE))
                for index in array.indices
            }
            for array in arrays
        }


class SlowModel(Model):
    """Takes its time over every answer."""

    def __init__(self, folder: Path, pace: Pace) -> None:
        """Answer at this pace."""
        super().__init__(catalogue_of(folder, only_sound=True), Cost())
        self._pace = pace

    async def complete(self, request: Request) -> Completion:
        """Answer, after a while."""
        is_idea = request.purpose is Purpose.IDEATE
        await asyncio.sleep(self._pace.ideate if is_idea else self._pace.diff)
        return await super().complete(request)


class SlowPreflight(Preflight):
    """Takes its time, and as much room as a campaign gives it."""

    def __init__(self, seconds: float, room: asyncio.Semaphore) -> None:
        """Run as many side by side as there is room for."""
        super().__init__(Cost())
        self._seconds = seconds
        self._room = room

    async def check(self, tree: Tree, key: RunKey) -> Result:
        """Pass, after a while."""
        async with self._room:
            await asyncio.sleep(self._seconds)
        return await super().check(tree, key)


def simulate_airr(name: str, workload: Workload, pace: Pace, *settings: str) -> Measured:
    """Run a campaign of airr with these settings."""
    nodes = Nodes(workload.nodes, pace)
    with TemporaryDirectory(prefix="airr-simulation-") as folder:
        place = Path(folder)
        model = SlowModel(place, pace)
        asked = [
            f"search.epochs={workload.epochs}", f"search.ideas_per_epoch={workload.per_epoch}",
            f"cluster.tick_seconds={pace.tick}", f"cluster.gather_seconds={pace.gather}",
            f"env.budget_seconds={max(pace.tasks)}", "implement.samples=1",
            "implement.repair_runs=0", "campaign=simulated",
            *settings,
        ]  # fmt: skip

        async def evolve() -> None:
            loop = asyncio.get_running_loop()
            with (
                started(place, Cost(), *asked, provider=model, cluster=nodes) as start,
                patch("airr.head.time", SimpleNamespace(time=loop.time)),
                patch(
                    "airr.head.Preflight",
                    lambda *_, room, **__: SlowPreflight(pace.preflight, room),
                ),
            ):
                async with take_the_head(start) as head:
                    await head.campaign.run()

        virtual_time.run(evolve())
    _baseline, *ideas = nodes.spans
    assert len(ideas) == workload.ideas, f"{len(ideas)} of {workload.ideas} ideas ran"
    return Measured(name, workload.nodes, tuple(ideas))


def simulate_release(workload: Workload, pace: Pace, run_seconds: float) -> Measured:
    """Run the schedule of the paper's release, its times scaled to tasks of so many seconds."""
    minute = run_seconds / RUN_MINUTES
    nodes = Nodes(workload.nodes, pace)
    done: list[int] = []
    read: set[int] = set()

    async def evolve() -> None:
        for epoch in range(workload.epochs):
            await asyncio.sleep(pace.ideate + pace.diff + pace.preflight)
            first = epoch * workload.per_epoch
            mine = range(first, first + workload.per_epoch)
            for number in mine:
                nodes.queue(("release", number), lambda number=number: done.append(number))
            await asyncio.sleep(SLEEP_MINUTES * minute)
            while len(ended := set(mine) & set(done)) < SHARE_READ * workload.per_epoch:
                await asyncio.sleep(POLL_MINUTES * minute)
            read.update(ended)
        while len(done) < workload.ideas:
            await asyncio.sleep(minute)

    virtual_time.run(evolve())
    spans = zip(nodes.spans, done, strict=True)
    return Measured(
        "release",
        workload.nodes,
        tuple(replace(span, was_read=number in read) for span, number in spans),
    )


def simulate_limit(workload: Workload, pace: Pace) -> Measured:
    """Queue everything at once."""
    nodes = Nodes(workload.nodes, pace)

    async def run_all() -> None:
        for number in range(workload.ideas):
            nodes.queue(("limit", number), lambda: None)
        while len(nodes.spans) < workload.ideas:
            await asyncio.sleep(pace.tick)

    virtual_time.run(run_all())
    return Measured("limit", workload.nodes, tuple(nodes.spans))
