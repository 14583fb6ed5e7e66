"""A file whose age says whether a process is alive: a dead node can be told from a slow one."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 15.0


@contextmanager
def heartbeat(path: Path) -> Generator[None]:
    """Keep a file's time stamp fresh while the body runs."""
    path.touch()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            path.touch()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
