"""A checkpoint that training keeps replacing -> a copy of each, with the time on our clock.

Nothing about time is taken from the candidate. A copy counts from the moment in which it was
complete: whatever is in it existed by then. A link would not do, since the candidate could go on
writing into the file.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airr.batch import CHECKPOINTS_AT_MOST

LOOK_SECONDS = 0.1
CHUNK_BYTES = 1 << 22

Identity = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of the checkpoint, complete `seconds` after the launch of training."""

    path: Path
    seconds: float


@dataclass(slots=True, kw_only=True)
class Snapshots:
    """The copies taken so far, in order. Beyond a number, every second one makes room."""

    checkpoint: Path
    folder: Path
    limit_bytes: int
    clock: Callable[[], float] = time.monotonic
    taken: list[Snapshot] = field(default_factory=list[Snapshot])
    _seen: Identity | None = None
    _count: int = 0

    def look(self, began: float) -> None:
        """Copy the checkpoint if it is another one than at the last look."""
        try:
            descriptor = os.open(self.checkpoint, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        try:
            found = os.fstat(descriptor)
            identity = (found.st_ino, found.st_mtime_ns, found.st_size)
            is_file = stat.S_ISREG(found.st_mode) and found.st_size <= self.limit_bytes
            if is_file and identity != self._seen:
                self._seen = identity
                self._copy(descriptor, found.st_size, began)
        finally:
            os.close(descriptor)

    def _copy(self, descriptor: int, size: int, began: float) -> None:
        path = self.folder / f"{self._count:06d}"
        self._count += 1
        with path.open("wb") as copy:
            while size > 0 and (chunk := os.read(descriptor, min(size, CHUNK_BYTES))):
                copy.write(chunk)
                size -= len(chunk)
        self.taken.append(Snapshot(path, self.clock() - began))
        if len(self.taken) > CHECKPOINTS_AT_MOST:
            for old in self.taken[1::2]:
                old.path.unlink()
            del self.taken[1::2]


@contextmanager
def snapshots_taken(snapshots: Snapshots) -> Generator[None]:
    """Look at the checkpoint again and again while the body trains, and once when it has."""
    snapshots.folder.mkdir()
    began = snapshots.clock()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            snapshots.look(began)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        snapshots.look(began)
