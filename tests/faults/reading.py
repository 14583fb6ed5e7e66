"""A reader beside a head: it loads the ledger over and over, as a notebook does.

    python -m tests.faults.reading FOLDER

It goes on until its input ends, and prints what it found wrong, then how often it has read.
"""

from __future__ import annotations

import select
import subprocess
import sys
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

from airr.errors import AirrError
from airr.ledger import Tables, load

PAUSE_SECONDS = 0.1
KEYS = {
    "ideas": ["id"],
    "calls": ["id", "prompt_hash", "created_at"],
    "runs": ["id"],
    "outcomes": ["idea_id", "repeat"],
    "updates": ["epoch"],
}


@dataclass
class Reader:
    """What one reader has seen so far."""

    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    times: int = 0

    def look(self) -> None:
        """Read the ledger once, if it is there."""
        if not (self.folder / "ledger").is_dir():
            return
        self.times += 1
        try:
            tables = load(self.folder)
        except (AirrError, OSError, Warning) as error:
            self.complaints.append(repr(error))
        else:
            self.complaints += [*self._judge(tables)]

    def _judge(self, tables: Tables) -> Iterator[str]:
        for name in (one.name for one in fields(tables)):
            table = getattr(tables, name)
            if len(table) < self.rows.get(name, 0):
                yield f"{name} had {self.rows[name]} rows and has {len(table)}"
            self.rows[name] = len(table)
            if name in KEYS and table.duplicated(KEYS[name]).any():
                yield f"{name} holds something twice"
        known = {"baseline", *tables.ideas.id}
        if strange := {*tables.outcomes.idea_id, *tables.runs.idea_id} - known:
            yield f"no such ideas: {strange}"


@dataclass
class Report:
    """What a reader had to say when it was asked to end."""

    complaints: list[str] = field(default_factory=list)
    times: int = 0


@contextmanager
def read_all_along(folder: Path) -> Generator[Report]:
    """Have a reader beside the body; what it reports is there once the body has ended."""
    report = Report()
    command = [sys.executable, "-m", "tests.faults.reading", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        try:
            yield report
        finally:
            said, _ = reader.communicate()
    *report.complaints, times = said.splitlines() or ["it died", "0"]
    report.times = int(times)


def main() -> None:
    warnings.simplefilter("error")
    reader = Reader(Path(sys.argv[1]))
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        reader.look()
    print(*dict.fromkeys(reader.complaints), reader.times, sep="\n")


if __name__ == "__main__":
    main()
