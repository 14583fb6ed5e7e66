"""Every search in real campaigns: ideas of the offline catalogue, trained and scored here.

    python benchmarks/search_campaigns.py [--seeds 3] [--epochs 4] [--ideas 6] [--plot FILE]

`python -m airr.evolve env=nanogpt_tiny` for each arm and seed, one after the other: an hour of two
cores; stopped, the same command goes on. All arms have the same number of ideas, and arms of one
seed the same baseline. The gain is that of the best score so far over the baseline's, in nats: it
holds the luck of one training, which benchmarks/search.py leaves out. Differences are paired by
seed; intervals are 95 % (Student's t, over seeds).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.charter import read_charter
from airr.estimates import baseline_of
from airr.ledger import read_records
from airr.parsing import parse_config
from airr.records import Idea, OutcomeRow, Scored, outcomes_of
from airr.workspace import Workspace
from benchmarks.campaigns import airr, finished
from benchmarks.search import RIVAL, Course, draw, table_of, verdicts

ARMS = (
    RIVAL,
    "evolution",
    "evolution search.base=parent",
    "steady_state",
    "tree",
    "islands",
)
ENV = "env=nanogpt_tiny"


@dataclass(frozen=True, slots=True)
class Campaign:
    """One arm with one seed."""

    arm: str
    seed: int

    def run(self, root: Path, epochs: int, ideas: int) -> Path:
        """Take it to its end, from where it stands, and return its folder."""
        name = f"{self.arm.replace(' search.base=', '-')}-s{self.seed}"
        size = [f"search.epochs={epochs}", f"search.ideas_per_epoch={ideas}", f"seed={self.seed}"]
        return finished("evolve", root, name, ENV, *f"search={self.arm}".split(), *size)


def course_in(folder: Path) -> Course:
    """Return what came of a campaign, epoch by epoch."""
    metric = parse_config(read_charter(Workspace(folder)).config).env.metric
    outcomes = outcomes_of(read_records(folder / "ledger", OutcomeRow))
    baseline = baseline_of(outcomes)
    assert isinstance(baseline, Scored)
    ideas = read_records(folder / "ledger", Idea)
    gains: list[list[float]] = [[] for _ in range(1 + max(idea.epoch for idea in ideas))]
    for idea in ideas:
        outcome = outcomes[idea.id, 0]
        if isinstance(outcome, Scored):
            gains[idea.epoch].append(metric.gain(outcome.metric, baseline.metric))
    return Course(
        gains=tuple(_best_so_far(gains)),
        failed=1 - sum(map(len, gains)) / len(ideas),
        better=statistics.mean([gain > 0 for epoch in gains for gain in epoch] or [0]),
    )


def _best_so_far(gains: Sequence[Sequence[float]]) -> list[float]:
    """Return the best gain by each epoch's end; the baseline's own where nothing beat it."""
    best, found = 0.0, list[float]()
    for epoch in gains:
        best = max(best, *epoch, 0.0)
        found.append(best)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--ideas", type=int, default=6)
    parser.add_argument("--root", type=Path, default=Path("runs/search_campaigns"))
    parser.add_argument("--plot", type=Path, help="an SVG to write (needs matplotlib)")
    parser.add_argument("--quick", action="store_true", help="two arms, one epoch of two ideas")
    asked: Any = parser.parse_args()
    arms, seeds, epochs, ideas = ARMS, asked.seeds, asked.epochs, asked.ideas
    with TemporaryDirectory() as folder:
        root = asked.root
        if asked.quick:
            root, arms, seeds, epochs, ideas = Path(folder), ("tree", RIVAL), 1, 1, 2
        courses = run_all(
            root, [Campaign(arm, n) for n in range(seeds) for arm in arms], epochs, ideas
        )
    console = Console(width=150 if not sys.stdout.isatty() else None, highlight=False)
    title = f"{seeds} seeds, {epochs} epochs of {ideas} ideas, {ENV}"
    caption = "gain of the best score in nats; - best_of_n: paired, at the end"
    console.print(table_of(courses, range(epochs), title, caption))
    console.print(verdicts(courses, "seeds"))
    if asked.plot:
        draw(courses, asked.plot, "gain of the best score (nats)")


def run_all(
    root: Path, campaigns: Sequence[Campaign], epochs: int, ideas: int
) -> dict[str, list[Course]]:
    """Run campaigns one after the other, and return what came of them by arm."""
    airr("prepare", ENV, f"data={root / 'data'}")
    courses: dict[str, list[Course]] = {}
    for one in track(campaigns, description="campaigns", console=Console(stderr=True)):
        courses.setdefault(one.arm, []).append(course_in(one.run(root, epochs, ideas)))
    return courses


if __name__ == "__main__":
    main()
