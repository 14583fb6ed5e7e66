"""What the tables of benchmarks have in common: medians, a processor's seconds, the machine."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long something took, the median of several times: on the clock, and of a processor.

    The latter counts where others use the machine; it adds up threads that work side by side.
    """

    clock: float
    processor: float

    def __str__(self) -> str:
        """Return both."""
        return f"{in_seconds(self.clock)} / {in_seconds(self.processor)}"


def timed(work: Callable[[], object], times: int = 1) -> Seconds:
    """Do something so many times in this process, and return how long it took."""
    each: list[tuple[float, float]] = []
    for _ in range(times):
        begun, used = time.perf_counter(), time.process_time()
        work()
        each.append((time.perf_counter() - begun, time.process_time() - used))
    return Seconds(*map(statistics.median, zip(*each, strict=True)))


def processor_seconds(who: int = resource.RUSAGE_CHILDREN) -> float:
    """Return what all processes that were started and have ended have used, or this one."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def machine() -> str:
    """Return day, processor, cores and load: what a figure without them is worth little."""
    models = [line for line in CPUINFO.read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else "unknown processor"
    load = os.getloadavg()[0]
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {model}, load {load:.1f}"


def in_seconds(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    return (
        f"{1000 * seconds:.{1 if seconds < 0.01 else 0}f} ms" if seconds < 1 else f"{seconds:.2f} s"
    )


def in_bytes(count: float) -> str:
    """Return a size in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def on_disk(folder: Path) -> tuple[int, int]:
    """Return how many bytes lie in a folder and below, and in how many files."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(file.st_size for file in files), len(files)
