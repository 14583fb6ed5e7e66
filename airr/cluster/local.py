"""The local scheduler: as many tasks at once as this machine has room for, in order.

The queue lives in the head's memory and dies with it; tasks that have started live on, and
are found again by the lock that each worker holds on this node.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from airr.cluster.job_environment import job_environment
from airr.cluster.protocol import JobArray, Preview, TaskState, TaskStatus
from airr.errors import ClusterError
from airr.nodelocal import lock_holder

LARGEST_ARRAY = 1000
TaskId = tuple[str, int]


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


class Local:
    """A `Cluster` of this machine alone."""

    def __init__(self, machine: Machine) -> None:
        """Start with an empty queue."""
        self._machine = machine
        self._queue: deque[tuple[JobArray, int]] = deque()
        self._running: dict[TaskId, asyncio.Task[None]] = {}
        self._ended: dict[TaskId, int] = {}
        self._free_gpus = list(range(machine.gpus))

    @property
    def place(self) -> str:
        """Return what this machine has."""
        cpus, gpus = self._machine.cpus, self._machine.gpus
        return f"this machine with {cpus} CPU cores and {gpus} GPUs"

    async def submit(self, array: JobArray) -> None:
        """Queue every task of the array that neither waits nor runs already."""
        waiting = {(queued.name, index) for queued, index in self._queue}
        for index in array.indices:
            task = (array.name, index)
            if task not in waiting and task not in self._running and not _is_alive(task):
                self._queue.append((array, index))
        self._start_what_fits()

    async def preview(self, array: JobArray) -> Preview:
        """Return how many tasks would run side by side, and what each runs."""
        room = self._machine.room_for(array)
        command = shlex.join((*array.command, "INDEX"))
        verdict = f"run on this machine, {room} side by side; each as\n{command}"
        return Preview(script="", verdict=verdict, at_once=room)

    async def survey(
        self, arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]] | None:
        """Return every task's state; what a head that is no more left unstarted is `GONE`."""
        waiting = {(array.name, index) for array, index in self._queue}
        return {
            array.name: {
                index: self._status((array.name, index), waiting) for index in array.indices
            }
            for array in arrays
        }

    async def cancel(self, arrays: Collection[JobArray]) -> None:
        """Drop what waits and end what runs of these arrays."""
        names = {array.name for array in arrays}
        self._queue = deque(item for item in self._queue if item[0].name not in names)
        await self._end([task for task in self._running if task[0] in names])
        for task in ((array.name, index) for array in arrays for index in array.indices):
            if pid := lock_holder(_lock_name(task)):
                os.kill(pid, signal.SIGINT)

    async def end_head(self, job_name: str) -> None:
        """Refuse: jobs with names are Slurm's."""
        raise ClusterError(
            f"its head runs as a Slurm job: scancel --full --signal=INT --name={job_name}"
        )

    async def cancel_duplicates(self) -> tuple[str, ...]:
        """Do nothing: an array of this name that runs already is never started again."""
        return ()

    async def largest_array(self) -> int | None:
        """Return a bound that keeps one batch's record readable."""
        return LARGEST_ARRAY

    async def close(self) -> None:
        """End every task of this head, leaving no process behind and recording nothing."""
        self._queue.clear()
        await self._end(list(self._running))

    def _status(self, task: TaskId, waiting: set[TaskId]) -> TaskStatus:
        if task in waiting:
            return TaskStatus(state=TaskState.PENDING)
        if task in self._running or _is_alive(task):
            return TaskStatus(state=TaskState.RUNNING)
        if task not in self._ended:
            return TaskStatus(state=TaskState.GONE)
        status = self._ended[task]
        state = TaskState.FAILED if status else TaskState.COMPLETED
        return TaskStatus(state=state, detail=f"the worker ended with status {status}")

    def _start_what_fits(self) -> None:
        while self._queue:
            array, index = self._queue[0]
            fits = len(self._running) < self._machine.room_for(array)
            if not fits or len(self._free_gpus) < array.gpus:
                return
            self._queue.popleft()
            gpus = [self._free_gpus.pop(0) for _ in range(array.gpus)]
            task = (array.name, index)
            self._running[task] = asyncio.create_task(self._run(array, index, gpus))

    async def _run(self, array: JobArray, index: int, gpus: list[int]) -> None:
        task = (array.name, index)
        environment = job_environment(os.environ)
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
        with (array.folder / "worker.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *array.command,
                str(index),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        try:
            self._ended[task] = await process.wait()
        except asyncio.CancelledError:
            process.send_signal(signal.SIGINT)
            await process.wait()
            raise
        finally:
            self._running.pop(task, None)
            self._free_gpus += gpus
            self._start_what_fits()

    async def _end(self, tasks: Collection[TaskId]) -> None:
        running = [self._running[task] for task in tasks]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _is_alive(task: TaskId) -> bool:
    return lock_holder(_lock_name(task)) is not None


def _lock_name(task: TaskId) -> str:
    return f"{task[0]}-{task[1]}"
