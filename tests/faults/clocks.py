"""A wall clock that a test sets: libfaketime, before the C library of one process.

What the kernel notes (time stamps of files) and the monotonic clock go on as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.packages import install

LIBRARY = "faketime/libfaketime.so.1"


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of the processes that have its environment; it may be set while they run."""

    file: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, hours: float) -> None:
        """Put it so many hours ahead of the kernel's, or behind it."""
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{hours * 3600:+.0f}s\n")
        beside.replace(self.file)


def library() -> Path:
    """Return where libfaketime lies, which is installed where it is missing."""
    if not (found := _found()):
        install(["libfaketime"])
        found = _found()
    assert found, "libfaketime cannot be installed here"
    return found


def _found() -> Path | None:
    return next(Path("/usr/lib").glob(f"*/{LIBRARY}"), None)
