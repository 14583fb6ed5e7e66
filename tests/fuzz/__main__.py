"""Coverage-guided fuzzing of every parser of foreign input: `make fuzz`.

    python -m tests.fuzz [TARGET ...] [--seconds 60] [--seed 0] [--jobs 1]

Each target runs in a process of its own. Inputs that reached new code are kept in .fuzz/corpus and
begin the next run; those that showed a defect stand in .fuzz/crashes. Exit status 1 says that there
is one: put it into tests/fuzz/corpus/TARGET once it is mended, and it stays mended.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(".fuzz")
SPARE_SECONDS = 300
"""What a process may take beyond its time: to try what it begins with, and to end."""
EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
PEAK = re.compile(r"stat::peak_rss_mb:\s*(\d+)")
STATE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/")
ABSENT = (
    "atheris is not installed here: `make install` brings it where it has a wheel (Linux on "
    "x86-64, Python 3.11 to 3.13). tests/fuzz/test_targets.py tries the same targets without it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What fuzzing one target came to; `defect` is the input that showed one, and why."""

    name: str
    executions: int
    edges: int
    features: int
    corpus: int
    megabytes: int
    defect: str


def fuzz(name: str, seconds: int, seed: int) -> Found:
    """Fuzz one target in a process of its own, a nice one: others use this machine too."""
    from tests.fuzz import guided  # noqa: PLC0415 - once it is known that atheris is there

    corpus, crashes, logs = (ROOT / part for part in ("corpus", "crashes", "logs"))
    for folder in (corpus / name, crashes / name, logs):
        folder.mkdir(parents=True, exist_ok=True)
    before = set((crashes / name).iterdir())
    log = logs / f"{name}.log"
    process = multiprocessing.get_context("fork").Process(
        target=guided.fuzz, args=(name, seconds, seed, corpus / name, crashes / name, log)
    )
    process.start()
    process.join(seconds + SPARE_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    kept = set((crashes / name).iterdir()) - before
    new = sorted(path for path in kept if not path.name.startswith("slow-unit"))  # no defect
    told = f"{new[0]}" if new else f"see {log}" if process.exitcode else ""
    return _found(name, log.read_text(errors="replace"), told)


def _found(name: str, text: str, defect: str) -> Found:
    states = STATE.findall(text) or [("0", "0", "0")]
    edges, features, corpus = map(int, states[-1])
    executed, peak = EXECUTED.search(text), PEAK.search(text)
    return Found(
        name=name,
        executions=int(executed[1]) if executed else 0,
        edges=edges,
        features=features,
        corpus=corpus,
        megabytes=int(peak[1]) if peak else 0,
        defect=defect,
    )


def table_of(found: list[Found]) -> Table:
    """Return what was found, a line for each target."""
    table = Table("target", title="Fuzzing", title_justify="left")
    for heading in ("executions", "edges", "features", "corpus", "peak MB"):
        table.add_column(heading, justify="right")
    table.add_column("defect", overflow="fold")
    for one in found:
        numbers = (one.executions, one.edges, one.features, one.corpus, one.megabytes)
        table.add_row(one.name, *(f"{number:,}" for number in numbers), one.defect or "none")
    return table


def main() -> int:
    """Fuzz what the command line names, and print what came of it."""
    if importlib.util.find_spec("atheris") is None:
        print(ABSENT, file=sys.stderr)
        return 2
    from tests.fuzz.guided import TARGETS  # noqa: PLC0415 - as above

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--jobs", type=int, default=1, help="side by side (%(default)s)")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - TARGETS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    os.nice(5)
    names = asked.targets or [*TARGETS]
    with ThreadPoolExecutor(asked.jobs) as pool:
        found = [*pool.map(lambda name: fuzz(name, asked.seconds, asked.seed), names)]
    Console(width=None if sys.stdout.isatty() else 120).print(table_of(found))
    return 1 if any(one.defect for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
