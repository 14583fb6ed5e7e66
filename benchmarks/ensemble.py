"""Several models that propose, on a made-up landscape: does the bandit find the one that pays.

    python benchmarks/ensemble.py [--seeds 50] [--epochs 10] [--ideas 40] [--quick]

Three models of different skill (numbers off their best, mechanisms that fail) propose in each world
of benchmarks/landscape.py; nobody is told who is good. An arm is the best of them alone, the worst
alone, all of them in turn, or the bandit of `llm.ensemble`. The table has the true gain over the
baseline, 3.0, of the idea that looked best so far, and which share of the last epoch's calls the
best model got. Differences to "in turn" are paired by world; intervals are 95 % (Student's t).
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.records import Trial
from airr.researcher.bandit import assigned
from airr.researcher.strategies import strategy_named
from airr.researcher.strategy import IdeaRequest, Past
from benchmarks.landscape import UNMODIFIED, Models, Skill, World
from benchmarks.search import best_looking, interval, parser_of, settings_of

BEST, MIDDLE, WORST = MEMBERS = ("best", "middle", "worst")
SKILLS: Mapping[str | None, Skill] = {
    BEST: Skill(spread=0.25, fragility=1.0),
    MIDDLE: Skill(spread=0.45, fragility=2.0),
    WORST: Skill(spread=0.8, fragility=3.0),
}
SHOWN = (0, 1, 3, 9)
"""Epochs that the table shows."""

Assign = Callable[[Sequence[IdeaRequest], Past, random.Random], Sequence[IdeaRequest]]


def alone(member: str) -> Assign:
    return lambda requests, _, __: [replace(one, member=member) for one in requests]


def in_turn(requests: Sequence[IdeaRequest], _: Past, __: random.Random) -> Sequence[IdeaRequest]:
    return [
        replace(one, member=member) for one, member in zip(requests, cycle(MEMBERS), strict=False)
    ]


def by_bandit(
    requests: Sequence[IdeaRequest], past: Past, rng: random.Random
) -> Sequence[IdeaRequest]:
    return assigned(requests, MEMBERS, past, rng)


ARMS: Mapping[str, Assign] = {
    "in turn": in_turn,
    "bandit": by_bandit,
    "best alone": alone(BEST),
    "worst alone": alone(WORST),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What came of one campaign, epoch by epoch: the true gain, and the best model's calls."""

    gains: tuple[float, ...]
    best_share: tuple[float, ...]


def course_of(arm: str, seed: int, epochs: int, ideas: int, per_call: int) -> Course:
    search, metric = settings_of(f"evolution search.ideas_per_call={per_call}", epochs, ideas)
    rng = random.Random(f"{seed}/{arm}")
    models = Models(World.of(random.Random(seed)), search, rng, SKILLS)
    past = Past(trials=(), baseline=models.baseline(1), metric=metric)
    tried, gains, shares = list[Trial](), list[float](), list[float]()
    for epoch in range(epochs):
        past = replace(past, trials=tuple(tried))
        plan = strategy_named(search.name)(past, epoch, search, random.Random(f"{seed}/{epoch}"))
        asked = ARMS[arm](plan, past, random.Random(f"{seed}/lots/{epoch}"))
        tried += models.answer(asked, epoch)
        gains.append(UNMODIFIED - models.true_loss(best_looking(tried).idea.id))
        shares.append(statistics.mean(one.member == BEST for one in asked))
    return Course(gains=tuple(gains), best_share=tuple(shares))


def table_of(courses: Mapping[str, Sequence[Course]], epochs: Sequence[int], title: str) -> Table:
    table = Table(title=title, caption="true gain in nats; the share is of the last epoch's calls")
    heads = ("asked", *(f"epoch {one}" for one in epochs), "- in turn", "best model's share")
    for head in heads:
        table.add_column(head, justify="left" if head == "asked" else "right", no_wrap=True)
    for arm, own in courses.items():
        paired = [
            mine.gains[-1] - other.gains[-1]
            for mine, other in zip(own, courses["in turn"], strict=True)
        ]
        table.add_row(
            arm,
            *(interval([one.gains[epoch] for one in own]) for epoch in epochs),
            interval(paired, "+") if arm != "in turn" else "",
            f"{statistics.mean(one.best_share[-1] for one in own):.0%}",
        )
    return table


def main() -> None:
    asked = parser_of(__doc__).parse_args()
    seeds = 3 if asked.quick else asked.seeds
    console = Console(width=150 if not sys.stdout.isatty() else None, highlight=False)
    for per_call in (10, 1):
        courses = {
            arm: [
                course_of(arm, seed, asked.epochs, asked.ideas, per_call) for seed in range(seeds)
            ]
            for arm in ARMS
        }
        size = f"{asked.epochs} epochs of {asked.ideas} ideas, {per_call} a call"
        epochs = [epoch for epoch in SHOWN if epoch < asked.epochs]
        console.print(table_of(courses, epochs, f"{seeds} worlds, {size}"))


if __name__ == "__main__":
    main()
