"""A command + limits -> how it ended: the deadline, memory and disk are enforced from outside.

The process tree is watched from the worker: at the deadline, or over a limit, every process in
it is killed, also those that left their process group or were orphaned.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

from airr.curves import Bar, Curve, CurveOf, CurveReader, Hopeless, hopeless
from airr.worker.stop import Stop
from airr.worker.tree import (
    become_subreaper,
    descendants,
    kill_descendants,
    proportional_memory,
    resident_memory,
    size_of_folder,
    threads,
)

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 0.25
LIMITS_SECONDS = 1.0
MEASURE_SECONDS = 5.0
SIGNAL_SECONDS = 0.5
"""A scheduler that ends a job signals all of its processes: ours may hear of it last."""


class Ending(StrEnum):
    """What ended a process tree."""

    EXITED = "exited"
    """It ended by itself; the return code says how."""
    DEADLINE = "deadline"
    """It was killed when its time was up."""
    MEMORY = "memory"
    """It was killed over its memory limit."""
    DISK = "disk"
    """It was killed over its disk limit."""
    PROCESSES = "processes"
    """It was killed over its limit of processes and threads."""
    STOPPED = "stopped"
    """The worker itself was told to stop."""
    HOPELESS = "hopeless"
    """It was killed for its curve."""
    UNSTARTED = "unstarted"
    """A node could not start it, or lost it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process tree may use. `deadline` is on the monotonic clock.

    `processes` counts threads too; files count where they lie, below `disk_folders`.
    """

    deadline: float
    processes: int
    memory_bytes: int
    disk_bytes: int
    disk_folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process tree ended. `returncode` is negative for a signal."""

    ending: Ending
    returncode: int
    seconds: float


def run_limited(
    argv: Sequence[str],
    *,
    limits: Limits,
    log: LogFile | None,
    stop: Stop,
    farewell: float = 0.0,
) -> Ended:
    """Run a command to its end or to the first limit it meets; nothing of it runs afterwards.

    Without a log it writes where this process does. One that answers for more than its own
    descendants is first told to end, with SIGTERM, and has `farewell` seconds to do so.

    Raises:
        OSError: the command could not be started.
    """
    become_subreaper()
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if log else None,
        stderr=subprocess.STDOUT if log else None,
        start_new_session=True,
        preexec_fn=_limit_child(limits),  # noqa: PLW1509 - it makes a few system calls
    )
    reader = _copying(process.stdout, log)
    ending = _watch(process, limits, stop, log)
    if ending is not Ending.EXITED and farewell:
        _bid_farewell(process, farewell)
    kill_descendants()
    returncode = process.wait()
    if reader:
        reader.join(timeout=5)
    if returncode and ending is Ending.EXITED and stop.wait(SIGNAL_SECONDS):
        ending = Ending.STOPPED
    return Ended(ending=ending, returncode=returncode, seconds=time.monotonic() - started)


def _copying(stream: IO[bytes] | None, log: LogFile | None) -> threading.Thread | None:
    """Copy a process's output into its log while it runs, where there is one."""
    if stream is None or log is None:
        return None
    reader = threading.Thread(target=log.copy_from, args=(stream,), daemon=True)
    reader.start()
    return reader


def _bid_farewell(process: subprocess.Popen[bytes], seconds: float) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):  # it is killed with the rest
        process.wait(timeout=seconds)


def _watch(
    process: subprocess.Popen[bytes], limits: Limits, stop: Stop, log: LogFile | None
) -> Ending:
    """Return why the process may run no longer, as soon as that is so.

    Measuring many processes or files takes its time, which must not keep the deadline waiting: it
    is done by threads of its own.
    """
    over: queue.SimpleQueue[Ending] = queue.SimpleQueue()
    done = threading.Event()
    for look in (_over_in_memory, _over_on_disk):
        threading.Thread(target=_look_out, args=(look, limits, over, done), daemon=True).start()
    try:
        while True:
            left = limits.deadline - time.monotonic()
            try:
                process.wait(timeout=min(WATCH_SECONDS, max(0.0, left)))
            except subprocess.TimeoutExpired:
                pass
            else:
                return Ending.EXITED
            if stop.is_set():
                return Ending.STOPPED
            if log and log.hopeless:
                return Ending.HOPELESS
            if time.monotonic() >= limits.deadline:
                return Ending.DEADLINE
            with contextlib.suppress(queue.Empty):
                return over.get_nowait()
    finally:
        done.set()


def _look_out(
    look: Callable[[Limits], Ending | None],
    limits: Limits,
    over: queue.SimpleQueue[Ending],
    done: threading.Event,
) -> None:
    """Look again and again until a limit is exceeded or nobody wants to know any more."""
    while not done.is_set():
        if (ending := look(limits)) is not None:
            over.put(ending)
            return
        done.wait(LIMITS_SECONDS)


def _over_in_memory(limits: Limits) -> Ending | None:
    """Return which limit the living processes are over. Pages that they share count once.

    To find out what is shared is slow: it is done where the sum would be too much without.
    """
    alive = descendants()
    if sum(map(threads, alive)) > limits.processes:
        return Ending.PROCESSES
    if sum(map(resident_memory, alive)) <= limits.memory_bytes:
        return None
    total, until = 0, time.monotonic() + MEASURE_SECONDS
    for pid in alive:
        total += proportional_memory(pid)
        if total > limits.memory_bytes:
            return Ending.MEMORY
        if time.monotonic() > until:  # so many that they are better counted again
            return None
    return None


def _over_on_disk(limits: Limits) -> Ending | None:
    used = 0
    for folder in limits.disk_folders:
        used += size_of_folder(folder, enough=limits.disk_bytes - used, until=limits.deadline)
        if used > limits.disk_bytes:
            return Ending.DISK
    return None


def _limit_child(limits: Limits) -> Callable[[], None]:
    """Return what the child does before it becomes the command: its limits, death with us.

    The kernel's own limit of processes is a backstop between two looks. It counts all that a user
    runs where there is no sandbox, and nothing of root's, so it is twice ours, or what we have.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    processes = 2 * limits.processes
    if most != resource.RLIM_INFINITY:
        processes = min(processes, most)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.disk_bytes, limits.disk_bytes))
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return prepare


class LogFile:
    """A candidate's output: the first and the last part of it, whatever it writes."""

    def __init__(
        self,
        path: Path,
        limit_bytes: int = 4_000_000,
        curve: CurveOf | None = None,
        bar: Bar | None = None,
    ) -> None:
        """Log into `path`, of which at most `limit_bytes` are ever written.

        What the log shows of `curve` is read on the way, and held against `bar`.
        """
        self.path = path
        self.hopeless: Hopeless | None = None
        """Where the curve was first worse than the bar."""
        self._reader = CurveReader(curve) if curve else None
        self._bar = bar
        self._limit = limit_bytes
        self._tail = b""

    @property
    def curve(self) -> Curve:
        """Return what the log has shown so far."""
        return self._reader.curve if self._reader else {}

    def copy_from(self, stream: IO[bytes]) -> None:
        """Copy a process's output until it closes; beyond the limit only the tail is kept."""
        with self.path.open("ab") as file:
            while chunk := os.read(stream.fileno(), 65536):
                room = self._limit - file.tell()
                if room > 0:
                    file.write(chunk[:room])
                    file.flush()
                self._tail = (self._tail + chunk)[-16384:]
                self._follow(chunk)

    def _follow(self, chunk: bytes) -> None:
        reader, bar = self._reader, self._bar
        if reader and reader.feed(chunk) and bar and not self.hopeless:
            self.hopeless = hopeless(reader.curve, bar, minimize=reader.of.minimize)

    def tail(self) -> str:
        """Return the last 16 kB, as text."""
        return self._tail.decode("utf-8", "replace")
