"""The local scheduler: as many tasks at once as this machine has room for, in order.

The queue lives in the head's memory and dies with it; tasks that have started live on, and
are found again by the lock that each worker holds on this node.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Collection, Mapping
from contextlib import suppress

from airr.cluster.job_environment import job_environment
from airr.cluster.protocol import JobArray, Preview, TaskId, TaskState, TaskStatus
from airr.cluster.slots import Gpus, Slots
from airr.errors import ClusterError
from airr.nodelocal import lock_holder

LARGEST_ARRAY = 1000
DEAF_SECONDS = 5.0
"""After which a worker is told once more to end: Python, while it starts, may miss a signal."""


class Local:
    """A `Cluster` of this machine alone."""

    complaint = ""

    def __init__(self, slots: Slots) -> None:
        """Start with nothing of its own; others may run tasks in the same slots."""
        self._slots = slots
        self._tasks: dict[TaskId, asyncio.Task[None]] = {}
        self._running: set[TaskId] = set()
        self._ended: dict[TaskId, int] = {}

    @property
    def place(self) -> str:
        """Return what this machine has."""
        machine = self._slots.machine
        return f"this machine with {machine.cpus} CPU cores and {machine.gpus} GPUs"

    async def submit(self, array: JobArray) -> None:
        """Queue every task of the array that neither waits nor runs already."""
        for index in array.indices:
            task = (array.name, index)
            if task not in self._tasks and not _is_alive(task):
                self._tasks[task] = asyncio.create_task(self._run_in_turn(array, index))

    async def preview(self, array: JobArray) -> Preview:
        """Return how many tasks would run side by side, and what each runs."""
        room = self._slots.machine.room_for(array)
        command = shlex.join((*array.command, "INDEX"))
        verdict = f"run on this machine, {room} side by side; each as\n{command}"
        return Preview(script="", verdict=verdict, at_once=room)

    async def survey(
        self, arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]] | None:
        """Return every task's state; what a head that is no more left unstarted is `GONE`."""
        return {
            array.name: {index: self._status((array.name, index)) for index in array.indices}
            for array in arrays
        }

    async def cancel(self, arrays: Collection[JobArray]) -> None:
        """Drop what waits and end what runs of these arrays."""
        names = {array.name for array in arrays}
        await self._end([task for task in self._tasks if task[0] in names])
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

    async def close(self) -> frozenset[TaskId]:
        """End every task of this head, leaving no process behind and recording nothing."""
        ended = frozenset(self._tasks)
        await self._end(ended)
        return ended

    def _status(self, task: TaskId) -> TaskStatus:
        if task in self._running or _is_alive(task):
            return TaskStatus(state=TaskState.RUNNING)
        if task in self._tasks:
            return TaskStatus(state=TaskState.PENDING)
        if task not in self._ended:
            return TaskStatus(state=TaskState.GONE)
        status = self._ended[task]
        state = TaskState.FAILED if status else TaskState.COMPLETED
        return TaskStatus(state=state, detail=f"the worker ended with status {status}")

    async def _run_in_turn(self, array: JobArray, index: int) -> None:
        task = (array.name, index)
        try:
            async with self._slots.taken_for(array) as gpus:
                self._running.add(task)
                self._ended[task] = await self._run(array, index, gpus)
        finally:
            self._running.discard(task)
            self._tasks.pop(task, None)

    async def _run(self, array: JobArray, index: int, gpus: Gpus) -> int:
        """Run one task's worker, and return its exit status."""
        environment = job_environment(os.environ)
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
        with (array.folder / "worker.log").open("ab") as log:
            # a task of its own: who is cancelled meanwhile has a process to end all the same
            starting = asyncio.create_task(
                asyncio.create_subprocess_exec(
                    *array.command,
                    str(index),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
            )
            try:
                process = await asyncio.shield(starting)
                return await process.wait()
            except asyncio.CancelledError:
                await _ended(await starting)
                raise

    async def _end(self, tasks: Collection[TaskId]) -> None:
        ending = [self._tasks.pop(task) for task in tasks]  # one without a turn ends unheard
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def _ended(worker: asyncio.subprocess.Process) -> None:
    """End a worker, which may be too young to hear of it the first time."""
    while worker.returncode is None:
        worker.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            await asyncio.wait_for(worker.wait(), DEAF_SECONDS)


def _is_alive(task: TaskId) -> bool:
    return lock_holder(_lock_name(task)) is not None


def _lock_name(task: TaskId) -> str:
    return f"{task[0]}-{task[1]}"
