"""A command + limits -> how it ended: the deadline, memory and disk are enforced from outside.

The process tree is watched from the worker: at the deadline, or over a limit, every process in
it is killed, also those that left their process group or were orphaned.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
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

from airr.worker.stop import Stop

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
WATCH_SECONDS = 0.25
LIMITS_SECONDS = 1.0
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
    STOPPED = "stopped"
    """The worker itself was told to stop."""
    UNSTARTED = "unstarted"
    """A node could not start it, or lost it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process tree may use. `deadline` is on the monotonic clock."""

    deadline: float
    memory_bytes: int
    disk_bytes: int
    disk_folder: Path


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
        preexec_fn=_limit_child(limits.disk_bytes),  # noqa: PLW1509 - it makes two system calls
    )
    reader = _copying(process.stdout, log)
    ending = _watch(process, limits, stop)
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


def _watch(process: subprocess.Popen[bytes], limits: Limits, stop: Stop) -> Ending:
    """Return why the process may run no longer, as soon as that is so."""
    next_look = 0.0
    while True:
        try:
            process.wait(timeout=min(WATCH_SECONDS, max(0.0, limits.deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            pass
        else:
            return Ending.EXITED
        now = time.monotonic()
        if stop.is_set():
            return Ending.STOPPED
        if now >= limits.deadline:
            return Ending.DEADLINE
        if now >= next_look:
            next_look = now + LIMITS_SECONDS
            if memory_of_descendants() > limits.memory_bytes:
                return Ending.MEMORY
            if size_of_folder(limits.disk_folder) > limits.disk_bytes:
                return Ending.DISK


def _limit_child(file_bytes: int) -> Callable[[], None]:
    """Return what the child does before it becomes the command: file size, death with us."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return prepare


def become_subreaper() -> None:
    """Have orphaned descendants handed to this process, so that none escapes the kill."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants() -> None:
    """Kill everything below this process until nothing is left, and reap it."""
    for _ in range(100):
        alive = descendants()
        if not alive:
            return
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _reap(alive)
        time.sleep(0.02)


def _reap(pids: Sequence[int]) -> None:
    """Collect the orphans among our children; the command itself is left to its Popen."""
    for pid in pids[1:]:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def descendants() -> list[int]:
    """Return the living processes below this one, the oldest child first."""
    found: list[int] = []
    frontier = [os.getpid()]
    while frontier:
        children = [child for pid in frontier for child in _children(pid)]
        found += [child for child in children if not _is_zombie(child)]
        frontier = children
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names only
            children += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass  # it ended while we looked
    return children


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def memory_of_descendants() -> int:
    """Return the private and proportional shared memory of all descendants, in bytes."""
    return sum(_proportional_memory(pid) for pid in descendants())


def _proportional_memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # it ended, or is not ours to read
    return 0


def size_of_folder(folder: Path) -> int:
    """Return the bytes that the files below a folder take on disk; links are not followed."""
    total = 0
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
        except OSError:
            continue  # removed while we looked
    return total


class LogFile:
    """A candidate's output: the first and the last part of it, whatever it writes."""

    def __init__(self, path: Path, limit_bytes: int = 4_000_000) -> None:
        """Log into `path`, of which at most `limit_bytes` are ever written."""
        self.path = path
        self._limit = limit_bytes
        self._tail = b""

    def copy_from(self, stream: IO[bytes]) -> None:
        """Copy a process's output until it closes; beyond the limit only the tail is kept."""
        with self.path.open("ab") as file:
            while chunk := os.read(stream.fileno(), 65536):
                room = self._limit - file.tell()
                if room > 0:
                    file.write(chunk[:room])
                    file.flush()
                self._tail = (self._tail + chunk)[-16384:]

    def tail(self) -> str:
        """Return the last 16 kB, as text."""
        return self._tail.decode("utf-8", "replace")
