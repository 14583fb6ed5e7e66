"""Malformed answers, applied by airr, GNU patch, git apply --recount and unidiff.

    python benchmarks/patching.py [--each 12] [--quick]

Takes correct diffs (of every environment with a catalogue, and of benchmarks/orchard), damages
each in the ways in which models do (benchmarks/malformations.py, benchmarks/doubts.py), and hands
the same answers to all four. A tree is right if it equals, byte for byte, the one that the
undamaged diff gives; where an answer leaves in doubt what it means, right is to refuse it. The
other tools are given the text of the ```diff blocks, as -p1 and then as -p0, and count as
refusing where they fail. Seeds are fixed: the corpus is the same on every run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.appliers import APPLIERS
from benchmarks.corpus import Case, Tree, read_cases
from benchmarks.doubts import DOUBTFUL
from benchmarks.malformations import MENDABLE, Habit

RIGHT, REFUSED, WRONG = "right", "refused", "wrong"
Found = Mapping[tuple[str, str], Counter[str]]
"""(kind, applier) -> how often it was right, refused, and wrong."""


@dataclass(frozen=True)
class Answer:
    """A malformed answer; `after` is the tree that it means, None where it must be refused."""

    kind: str
    case: str
    text: str
    before: Tree
    after: Tree | None


def corpus(each: int) -> list[Answer]:
    """Return up to `each` answers of each kind, from all codebases in turn."""
    codebases = read_cases()
    return [
        answer
        for kind, habit in (MENDABLE | DOUBTFUL).items()
        for answer in _answers(kind, habit, codebases, each)
    ]


def _answers(
    kind: str, habit: Habit, codebases: Mapping[str, Sequence[Case]], each: int
) -> list[Answer]:
    found: list[list[Answer]] = []
    for name, cases in codebases.items():
        rng = Random(f"{kind}/{name}")
        shuffled = rng.sample(cases, len(cases))
        made = ((case, habit(case, rng)) for case in shuffled)
        found.append(
            [
                Answer(
                    kind=kind,
                    case=f"{name}/{case.name}",
                    text=text,
                    before=case.before,
                    after=None if kind in DOUBTFUL else case.after,
                )
                for case, text in made
                if text is not None
            ]
        )
    ranked = sorted(
        (rank, place, answer)
        for place, some in enumerate(found)
        for rank, answer in enumerate(some)
    )
    return [answer for _, _, answer in ranked[:each]]


def verdict(answer: Answer, tree: Tree | None) -> str:
    """Return what an applier made of an answer."""
    if tree is None:
        return REFUSED
    return RIGHT if answer.after is not None and tree == answer.after else WRONG


def measure(answers: Sequence[Answer]) -> Found:
    """Hand every answer to everybody."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for answer in answers:
        for name, apply in APPLIERS.items():
            count = found.setdefault((answer.kind, name), Counter())
            count[verdict(answer, apply(answer.text, answer.before))] += 1
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=12, help="answers of each kind, at most")
    parser.add_argument("--quick", action="store_true", help="two answers of each kind")
    options = parser.parse_args()
    started = time.monotonic()
    answers = corpus(2 if options.quick else options.each)
    found = measure(answers)
    console = Console(width=110)
    sizes = Counter(answer.case.partition("/")[0] for answer in answers)
    made = ", ".join(f"{count} of {name}" for name, count in sizes.items())
    console.print(
        f"{len(answers)} answers of {len(MENDABLE | DOUBTFUL)} kinds ({made}), "
        f"{time.monotonic() - started:.0f} s"
    )
    console.print(table("what is meant is clear: apply it", MENDABLE, found, (RIGHT, WRONG)))
    console.print(table("in doubt: refuse it", DOUBTFUL, found, (REFUSED, WRONG)))


def table(title: str, kinds: Mapping[str, Habit], found: Found, shown: Sequence[str]) -> Table:
    """Return a table of these kinds: what each applier should do, and how often it was wrong."""
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE)
    drawn.add_column("kind", no_wrap=True)
    drawn.add_column("answers", justify="right")
    for name in APPLIERS:
        drawn.add_column(f"{name}\n{' / '.join(shown)}", justify="right")
    rows = {kind: [found.get((kind, name), Counter()) for name in APPLIERS] for kind in kinds}
    total = [sum((row[at] for row in rows.values()), Counter()) for at in range(len(APPLIERS))]
    for kind, row in rows.items():
        drawn.add_row(kind, str(row[0].total()), *(_cell(count, shown) for count in row))
    drawn.add_section()
    drawn.add_row("all", str(total[0].total()), *(_cell(count, shown) for count in total))
    shares = (
        " / ".join(f"{100 * count[what] / count.total():.1f}" for what in shown) for count in total
    )
    drawn.add_row("percent", "", *shares)
    return drawn


def _cell(count: Counter[str], shown: Sequence[str]) -> str:
    return " / ".join(str(count[what]) for what in shown)


if __name__ == "__main__":
    main()
