"""Real campaigns of reinforcement learning, several seeds each: what rises, and what collapses.

    python benchmarks/rl_campaigns.py [--seeds 3] [--epochs 16] [--group 32] [--quick]

`python -m airr.rl env=example` for each arm and seed, one after the other: a language model of the
catalogue's ideas proposes, the ideas are implemented, trained and scored here, and it learns from
them. The reward is `rl.reward=gain`: the gain over the baseline in standard errors of the
difference, -5 for what fails. Hours of two cores; stopped, the same command goes on.

Windows are the first and the last three epochs. `reward` is what execution alone is worth, without
what is added for novelty; `scored` leaves failures out; `top 2` is the share of the two commonest
clusters of ideas; `best` is the best accuracy of the campaign by then, which holds the luck of the
draw. Intervals are 95 % (Student's t, over seeds), differences paired by seed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.charter import read_charter
from airr.estimates import baseline_of
from airr.ledger import read_records
from airr.policy.diversity import diversity_of
from airr.policy.rewards import Judged, rewards_of
from airr.policy.settings import parse_rl_config
from airr.records import Idea, OutcomeRow, Scored, outcomes_of
from airr.significance import half_interval
from airr.workspace import Workspace
from benchmarks.campaigns import airr, finished

ARMS: Mapping[str, Sequence[str]] = {
    "mean": [],
    "novelty": ["rl.novelty=2"],
    "max_at_8": ["rl.objective=max_at_k", "rl.k=8"],
}
FIXED = [
    "env=example",
    "rl.reward=gain",
    "rl.learning_rate=4e-4",
    "search.baseline_seeds=3",
]
WINDOW = 3
COLUMNS: Mapping[str, str] = {
    "reward": ".2f",
    "scored": ".2f",
    "rate": ".2f",
    "distinct": ".1f",
    "top 2": ".2f",
    "best": ".4f",
}


@dataclass(frozen=True, slots=True)
class Campaign:
    """One arm with one seed."""

    arm: str
    seed: int

    def run(self, root: Path, epochs: int, group: int) -> Path:
        """Take it to its end, from where it stands, and return its folder."""
        size = [f"rl.epochs={epochs}", f"rl.group_size={group}", f"seed={self.seed}"]
        name = f"{self.arm}-s{self.seed}"
        return finished("rl", root, name, *FIXED, *ARMS[self.arm], *size)


def epochs_in(folder: Path) -> list[dict[str, float]]:
    """Return what each epoch came to, by column."""
    config = parse_rl_config(read_charter(Workspace(folder)).config)
    plain = replace(config.rl, novelty=0.0)
    outcomes = outcomes_of(read_records(folder / "ledger", OutcomeRow))
    baseline = baseline_of(outcomes)
    assert isinstance(baseline, Scored)
    by_epoch: dict[int, list[Idea]] = {}
    for idea in read_records(folder / "ledger", Idea):
        by_epoch.setdefault(idea.epoch, []).append(idea)
    found: list[dict[str, float]] = []
    best = 0.0
    for _, ideas in sorted(by_epoch.items()):
        group = [
            Judged(text=one.text, thinking_tokens=0, outcome=outcomes[one.id, 0]) for one in ideas
        ]
        metric = config.env.metric
        worth = rewards_of(group, [], baseline=baseline, metric=metric, rl=plain).tolist()
        scores = [one.outcome.metric for one in group if isinstance(one.outcome, Scored)]
        scored = [
            reward
            for reward, one in zip(worth, group, strict=True)
            if isinstance(one.outcome, Scored)
        ]
        best = max(best, *scores)
        spread = diversity_of([one.text for one in ideas])
        found.append(
            {
                "reward": statistics.fmean(worth),
                "scored": statistics.fmean(scored),
                "rate": len(scored) / len(group),
                "distinct": spread.distinct,
                "top 2": spread.top_share,
                "best": best,
            }
        )
    return found


def table_of(courses: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], title: str) -> Table:
    """Return the table: at first, at last, the rise, and the last epochs against mean's."""
    table = Table(title=title, title_justify="left")
    for name in ("arm", "epochs", *COLUMNS):
        table.add_column(name, justify="right" if name in COLUMNS else "left", no_wrap=True)
    for arm, own in courses.items():
        first, last = _windows(own, slice(None, WINDOW)), _windows(own, slice(-WINDOW, None))
        table.add_row(arm, "first", *_cells(first))
        table.add_row("", "last", *_cells(last))
        table.add_row("", "rise", *_cells(_less(last, first), "+"))
        if arm != "mean":
            base = _windows(courses["mean"], slice(-WINDOW, None))
            table.add_row("", "last, less mean's", *_cells(_less(last, base), "+"))
        table.add_section()
    return table


Windows = Mapping[str, Sequence[float]]
"""By column, a mean over some epochs for each seed."""


def _windows(own: Sequence[Sequence[Mapping[str, float]]], part: slice) -> Windows:
    return {
        name: [statistics.fmean(epoch[name] for epoch in epochs[part]) for epochs in own]
        for name in COLUMNS
    }


def _less(one: Windows, other: Windows) -> Windows:
    return {name: [a - b for a, b in zip(one[name], other[name], strict=True)] for name in COLUMNS}


def _cells(windows: Windows, sign: str = "") -> list[str]:
    return [_interval(windows[name], f"{sign}{form}") for name, form in COLUMNS.items()]


def _interval(values: Sequence[float], form: str) -> str:
    half = half_interval(values)
    error = "" if half is None else f" ± {half:{form.lstrip('+')}}"
    return f"{statistics.fmean(values):{form}}{error}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--group", type=int, default=32)
    parser.add_argument("--root", type=Path, default=Path("runs/rl_campaigns"))
    parser.add_argument("--arms", nargs="+", default=[*ARMS], choices=[*ARMS])
    parser.add_argument("--quick", action="store_true", help="one seed, two epochs of six ideas")
    asked: Any = parser.parse_args()
    seeds, epochs, group = (1, 2, 6) if asked.quick else (asked.seeds, asked.epochs, asked.group)
    airr("prepare", "env=example", f"data={asked.root / 'data'}")
    airr("prepare", "env=example", "policy=tiny", f"data={asked.root / 'data'}")
    courses: dict[str, list[list[dict[str, float]]]] = {arm: [] for arm in asked.arms}
    todo = [Campaign(arm, seed) for seed in range(seeds) for arm in asked.arms]
    for one in track(todo, description="campaigns", console=Console(stderr=True)):
        courses[one.arm].append(epochs_in(one.run(asked.root, epochs, group)))
    console = Console(width=150 if not sys.stdout.isatty() else None, highlight=False)
    title = f"{seeds} seeds, {epochs} epochs of {group} ideas, env=example"
    console.print(table_of(courses, title))


if __name__ == "__main__":
    main()
