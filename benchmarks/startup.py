"""How long each verb takes to be imported, and to answer `--help`.

    python benchmarks/startup.py [--times 7] [--quick]

Every figure is the median of `--times` processes: on the clock with the distance between the
quartiles, and of a processor, which counts where others use the machine. The verbs are asked in
turn, round after round, so that a slow minute hits all of them. `python` is the interpreter alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from airr.__main__ import VERBS
from benchmarks.measured import in_seconds, machine, processor_seconds

ROOT = Path(__file__).resolve().parents[1]
ALONE = "python"


@dataclass(frozen=True, slots=True)
class Process:
    """How long one process took."""

    clock: float
    processor: float


def run(*arguments: str) -> Process:
    """Run one process of Python."""
    begun, used = time.perf_counter(), processor_seconds()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}: {done.stderr.decode()}")
    return Process(time.perf_counter() - begun, processor_seconds() - used)


def commands() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the arguments of Python by (verb, what is timed)."""
    found: dict[tuple[str, str], tuple[str, ...]] = {(ALONE, "import"): ("-c", "pass")}
    for verb in VERBS:
        found[verb, "import"] = ("-c", f"import airr.{verb}")
        found[verb, "help"] = ("-m", f"airr.{verb}", "--help")
    return found


def main() -> None:
    """Time every verb and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="once each")
    asked = parser.parse_args()
    times = 1 if asked.quick else asked.times
    found: dict[tuple[str, str], list[Process]] = {key: [] for key in commands()}
    for _ in range(times):
        for key, arguments in commands().items():
            found[key].append(run(*arguments))
    report(found, times)


def report(found: dict[tuple[str, str], list[Process]], times: int) -> None:
    """Print the table."""
    table = Table(title=f"{machine()}; median of {times}")
    table.add_column("verb")
    for column in ("import", "spread", "of a processor", "--help", "spread", "of a processor"):
        table.add_column(column, justify="right")
    for verb in (ALONE, *VERBS):
        cells = [_cells(found.get((verb, what), [])) for what in ("import", "help")]
        table.add_row(verb, *cells[0], *cells[1])
    Console(width=110).print(table)


def _cells(processes: list[Process]) -> tuple[str, str, str]:
    """Return median and spread on the clock, and the median of a processor."""
    if not processes:
        return ("", "", "")
    clock = [one.clock for one in processes]
    low, _, high = statistics.quantiles(clock, n=4, method="inclusive") if clock[1:] else (0, 0, 0)
    processor = statistics.median(one.processor for one in processes)
    return in_seconds(statistics.median(clock)), in_seconds(high - low), in_seconds(processor)


if __name__ == "__main__":
    main()
