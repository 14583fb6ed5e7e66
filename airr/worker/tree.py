"""The processes below this one: found wherever they went, measured, ended."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
BYTES_OF_AN_ENTRY = 512
"""What a file counts beside its content: a million empty ones are no small thing either."""


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


def threads(pid: int) -> int:
    """Return how many threads a process has; none once it has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - names only
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0  # it ended while we looked


def resident_memory(pid: int) -> int:
    """Return the memory of a process in bytes, whoever shares it."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0  # it ended while we looked
    return pages * os.sysconf("SC_PAGE_SIZE")


def proportional_memory(pid: int) -> int:
    """Return the private and proportional shared memory of a process, in bytes."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # it ended, or is not ours to read
    return 0


def size_of_folder(folder: Path, *, enough: int, until: float) -> int:
    """Return the bytes that the files below a folder take on disk; links are not followed.

    Looking ends once they are more than `enough`, or at `until` on the monotonic clock: no number
    of files may keep the deadline waiting.
    """
    total = 0
    pending = [folder]
    while pending and total <= enough and time.monotonic() < until:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    size = entry.stat(follow_symlinks=False).st_blocks * 512
                    total += size + BYTES_OF_AN_ENTRY
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    if total > enough or time.monotonic() >= until:
                        break
        except OSError:
            continue  # removed while we looked
    return total
