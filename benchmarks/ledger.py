"""The ledger beside sqlite and JSON lines, over the same outcomes.

    python benchmarks/ledger.py [--outcomes 10000 100000 1000000] [--quick]

Each store takes the same records in durable commits (fsync) of `--commit` rows, as a head makes
them, with a log of eight lines each; then a fresh process would ask of it

- `load`: all outcomes but their texts, as a DataFrame;
- `top 100`: the scored outcomes of the highest reward, by idea and metric;
- `full scan`: every row with every column, to count the logs that tell of a word.

airr is asked through `airr.ledger`; sqlite has an index over rewards, in a file of its own, and
commits by write-ahead log with `synchronous=FULL`; JSON lines are one object a line. Reads are the
median of `--times`, with the file in the page cache for all, on the clock and in seconds of a
processor, which count where others use the machine. `one row` is a commit of a single
outcome at the end. sqlite needs locks that Lustre and many NFS mounts do not keep: it stands here
to be measured against, not to choose.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import airr.ledger
from airr.ledger import TEXTS, Ledger
from airr.records import SCORED, Outcome, OutcomeRow, Reason, row_of
from benchmarks.measured import Seconds, in_bytes, in_seconds, machine, on_disk, timed
from tests.builders import NOON, failed, scored

COLUMNS = [field.name for field in fields(OutcomeRow)]
NARROW = [name for name in COLUMNS if name not in TEXTS]
BEST = ", ".join(airr.ledger.BEST)
TOP = 100
WORD = "diverged"
SHARE_FAILED, SHARE_DIVERGED = 0.2, 0.01


class Store(Protocol):
    """Somewhere to keep outcomes."""

    name: str

    def append(self, rows: Sequence[OutcomeRow]) -> None:
        """Add rows in one durable commit."""
        ...

    def load(self) -> int:
        """Return how many rows a DataFrame of all but the texts has."""
        ...

    def top(self) -> list[float]:
        """Return the highest rewards, best first."""
        ...

    def scan(self) -> int:
        """Return how many logs tell of the word."""
        ...


class Parquet:
    """airr's ledger."""

    name = "airr"

    def __init__(self, folder: Path) -> None:
        """Begin an empty ledger."""
        self._campaign = folder / "campaign"
        self._ledger = Ledger(self._campaign / "ledger")

    def append(self, rows: Sequence[OutcomeRow]) -> None:
        """Add rows in one durable commit."""
        self._ledger.append(rows)

    def load(self) -> int:
        """Load what a researcher would, but for the texts."""
        return len(airr.ledger.load(self._campaign, texts=False).outcomes)

    def top(self) -> list[float]:
        """Ask for the best."""
        return airr.ledger.best(self._campaign, TOP).reward.tolist()

    def scan(self) -> int:
        """Load everything, and look into the logs."""
        return int(airr.ledger.load(self._campaign).outcomes.log_tail.str.contains(WORD).sum())


class Sqlite:
    """One table, indexed by reward."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        """Begin an empty table."""
        folder.mkdir()
        self._db = sqlite3.connect(folder / "outcomes.sqlite")
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            f"CREATE TABLE outcomes ({', '.join(COLUMNS)});"
            "CREATE INDEX by_reward ON outcomes (reward);"
        )

    def append(self, rows: Sequence[OutcomeRow]) -> None:
        """Insert rows in one transaction."""
        marks = ", ".join("?" * len(COLUMNS))
        with self._db:
            self._db.executemany(f"INSERT INTO outcomes VALUES ({marks})", map(_plain, rows))

    def load(self) -> int:
        """Select all but the texts."""
        return len(pd.read_sql(f"SELECT {', '.join(NARROW)} FROM outcomes", self._db))

    def top(self) -> list[float]:
        """Ask for the best, by the index."""
        asked = f"SELECT {BEST} FROM outcomes WHERE status = ? ORDER BY reward DESC LIMIT {TOP}"
        return [row[-1] for row in self._db.execute(asked, (SCORED,))]

    def scan(self) -> int:
        """Fetch everything, and look into the logs."""
        log = COLUMNS.index("log_tail")
        return sum(WORD in row[log] for row in self._db.execute("SELECT * FROM outcomes"))


class JsonLines:
    """One object a line."""

    name = "JSON lines"

    def __init__(self, folder: Path) -> None:
        """Begin an empty file."""
        folder.mkdir()
        self._path = folder / "outcomes.jsonl"
        self._path.touch()

    def append(self, rows: Sequence[OutcomeRow]) -> None:
        """Write lines, and sync the file."""
        with self._path.open("a") as file:
            for row in rows:
                file.write(json.dumps(dict(zip(COLUMNS, _plain(row), strict=True))) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def load(self) -> int:
        """Read every line for all but the texts."""
        return len(pd.DataFrame([[row[name] for name in NARROW] for row in self._rows()]))

    def top(self) -> list[float]:
        """Read every line for the best."""
        rewards = (row["reward"] for row in self._rows() if row["status"] == SCORED)
        return sorted(rewards, reverse=True)[:TOP]

    def scan(self) -> int:
        """Read every line, and look into the logs."""
        return sum(WORD in row["log_tail"] for row in self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self._path.open() as file:
            yield from map(json.loads, file)


def _plain(row: OutcomeRow) -> list[object]:
    values = [getattr(row, name) for name in COLUMNS]
    *others, reported, ended_at = values
    return [*others, json.dumps(reported), ended_at.isoformat()]


@dataclass(frozen=True, slots=True)
class Measured:
    """One store at one size: seconds, and what it takes on disk."""

    store: str
    outcomes: int
    append: float
    one_row: Seconds
    load: Seconds
    top: Seconds
    scan: Seconds
    size: int
    files: int


def outcomes(first: int, count: int) -> list[OutcomeRow]:
    """Return made-up outcomes by number, the same ones whenever they are asked for."""
    rng = Random(first)
    return [row_of(_outcome(first + n, rng)) for n in range(count)]


def _outcome(number: int, rng: Random) -> Outcome:
    idea_id = f"e{number // 1000:03d}-i{number % 1000:03d}"
    ended_at = NOON + timedelta(seconds=number)
    loss = 3 + rng.gauss(0, 0.1)
    log = "\n".join(
        f"step {100 * n}/800 loss {loss + 1 / n:.5f} {rng.uniform(2e4, 3e4):.0f} tokens/s"
        for n in range(1, 9)
    )
    if rng.uniform(0, 1) < SHARE_DIVERGED:
        log += f"\nthe loss has {WORD}"
    if rng.uniform(0, 1) < SHARE_FAILED:
        return failed(idea_id, Reason.CRASH, log_tail=log, ended_at=ended_at)
    return scored(
        idea_id, loss, log_tail=log, ended_at=ended_at,
        reported={"tokens_per_second": rng.uniform(2e4, 3e4)},
    )  # fmt: skip


def measure(
    make: Callable[[Path], Store], folder: Path, *, count: int, commit: int, times: int
) -> Measured:
    """Fill a store, and ask of it."""
    store = make(folder)
    appended = 0.0
    for first in range(0, count, commit):
        rows = outcomes(first, min(commit, count - first))
        begun = time.perf_counter()
        store.append(rows)
        appended += time.perf_counter() - begun
    load, top, scan = (timed(ask, times) for ask in (store.load, store.top, store.scan))
    size, files = on_disk(folder)
    extra = outcomes(count, times)
    one_row = timed(lambda: store.append([extra.pop()]), times)
    assert store.load() == count + times
    return Measured(
        store=store.name,
        outcomes=count,
        append=appended,
        one_row=one_row,
        load=load,
        top=top,
        scan=scan,
        size=size,
        files=files,
    )


def main() -> None:
    """Measure every store at every size and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outcomes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--commit", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="10,000 outcomes, once")
    asked = parser.parse_args()
    sizes, times = ([10_000], 1) if asked.quick else (asked.outcomes, asked.times)
    found: list[Measured] = []
    for count in sizes:
        for make in (Parquet, Sqlite, JsonLines):
            with TemporaryDirectory(prefix="airr-ledger-") as folder:
                place = Path(folder) / "store"
                found.append(measure(make, place, count=count, commit=asked.commit, times=times))
    report(found, asked.commit)


def report(found: Sequence[Measured], commit: int) -> None:
    """Print the table."""
    table = Table(title=f"{machine()}; commits of {commit:,} rows; clock / processor")
    for column in ("outcomes", "store", "append", "one row", "load", "top 100", "full scan"):
        table.add_column(column, justify="left" if column == "store" else "right")
    for column in ("on disk", "files"):
        table.add_column(column, justify="right")
    for one in found:
        table.add_row(
            f"{one.outcomes:,}",
            one.store,
            in_seconds(one.append),
            *map(str, (one.one_row, one.load, one.top, one.scan)),
            in_bytes(one.size),
            str(one.files),
            end_section=one.store == JsonLines.name,
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
