"""All searches on one made-up landscape of ideas, at an equal number of runs.

    python benchmarks/search.py [--seeds 50] [--epochs 10] [--ideas 40] [--plot FILE] [--quick]

Each seed draws a world (benchmarks/landscape.py) in which every arm, with the settings of conf/ and
the overrides that its name says, has epochs x ideas runs. An arm's result is the true gain over the
baseline of the idea that looked best so far by its noisy score: what a campaign would hand over. An
arm that runs ideas again proposes fewer of them; its epochs are counted by runs, as those of the
others. Where ideas are proposed while others run, those end in any order. Differences are paired by
world; intervals are 95 % (Student's t, over seeds).

What this can show is how the rules of selection compare if ideas combine as they do here. It says
nothing about how well a model refines an idea: that is assumed.

Then each strategy selects an epoch from a ledger of 50,000 outcomes, and the seconds are printed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.book import Book
from airr.cohorts import cohorts_of, open_at_most
from airr.composition import compositions
from airr.config import Metric, Search
from airr.estimates import seeding_of
from airr.ledger import Ledger
from airr.llm.journal import Journal
from airr.parsing import parse_config
from airr.records import Scored, Trial, row_of
from airr.researcher.strategies import strategy_named
from airr.researcher.strategy import Past
from airr.significance import half_interval
from benchmarks.landscape import UNMODIFIED, Models, World

RIVAL = "best_of_n"
ARMS = (
    RIVAL,
    "evolution",
    "evolution search.base=parent",
    "evolution search.caution=1",
    "evolution search.repeats=1",
    "evolution search.repeats=2 search.baseline_seeds=3",
    "evolution search.overlap=0.25",
    "evolution search.overlap=0.5",
    "steady_state",
    "steady_state search.base=parent",
    "tree",
    "tree search.base=parent",
    "islands",
    "islands search.base=parent",
)
MANY = 50_000
CAPTION = "true gain in nats; - best_of_n: paired, at the end"
AT = (0, 1, 2, 4, 9)
"""Epochs that the table shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What came of one campaign: the true gain of the best-looking idea after each epoch."""

    gains: tuple[float, ...]
    failed: float
    better: float


@cache
def settings_of(arm: str, epochs: int, ideas: int) -> tuple[Search, Metric]:
    size = [f"search.epochs={epochs}", f"search.ideas_per_epoch={ideas}"]
    (raw,) = compositions("evolve", [*f"search={arm}".split(), *size])
    config = parse_config({k: v for k, v in raw.items() if k not in {"fork", "once"}})
    return config.search, config.env.metric


def course_of(arm: str, seed: int, epochs: int, ideas: int) -> Course:
    search, metric = settings_of(arm, epochs, ideas)
    seeding, runs = seeding_of(search), epochs * ideas
    models = Models(World.of(random.Random(seed)), search, random.Random(f"{seed}/{arm}"))
    baseline = models.baseline(seeding.baseline_seeds)
    past = Past(trials=(), baseline=baseline, metric=metric)
    plan, clock = strategy_named(search.name), random.Random(f"{seed}/clock")
    tried, known, running = list[Trial](), list[Trial](), list[Trial]()
    spent = [seeding.baseline_seeds - 1]  # runs, after each trial; what one baseline takes is free
    for cohort in cohorts_of(search):
        while len(running) > open_at_most(search):  # runs end in any order
            known.append(running.pop(clock.randrange(len(running))))
        past = replace(past, trials=tuple(sorted(known, key=lambda one: one.idea.place)))
        place = f"{cohort.epoch}/{cohort.first}" if cohort.first else f"{cohort.epoch}"
        due = replace(search, ideas_per_epoch=cohort.size)
        requests = plan(past, cohort.epoch, due, random.Random(f"{seed}/{place}"))
        made = list[Trial]()
        for trial in models.answer(requests, cohort.epoch, cohort.first):
            times = seeding.repeats_of(trial.outcome, baseline, metric)
            if spent[-1] + 1 + times > runs:
                break
            spent.append(spent[-1] + 1 + times)
            made.append(models.again(trial, times) if times else trial)
        tried += made
        running += made
    ends = [sum(n <= (epoch + 1) * ideas for n in spent[1:]) for epoch in range(epochs)]
    best = [best_looking(tried[:end]).idea.id for end in ends]
    scored = [one for one in tried if isinstance(one.outcome, Scored)]
    return Course(
        gains=tuple(UNMODIFIED - models.true_loss(idea_id) for idea_id in best),
        failed=1 - len(scored) / len(tried),
        better=statistics.mean(models.true_loss(one.idea.id) < UNMODIFIED for one in scored),
    )


def best_looking(trials: Sequence[Trial]) -> Trial:
    return min(
        (one for one in trials if isinstance(one.outcome, Scored)),
        key=lambda one: one.outcome.metric if isinstance(one.outcome, Scored) else 0.0,
    )


def interval(values: Sequence[float], sign: str = "") -> str:
    half = half_interval(values)
    error = "" if half is None else f" ± {half:.3f}"
    return f"{statistics.mean(values):{sign}.3f}{error}"


def table_of(
    courses: Mapping[str, Sequence[Course]], epochs: Sequence[int], title: str, caption: str
) -> Table:
    table = Table(title=title, caption=caption)
    for head in (
        "search=",
        *(f"epoch {epoch}" for epoch in epochs),
        f"- {RIVAL}",
        "failed",
        "better",
    ):
        table.add_column(head, justify="left" if head == "search=" else "right")
    for arm, own in courses.items():
        paired = [
            one.gains[-1] - other.gains[-1] for one, other in zip(own, courses[RIVAL], strict=True)
        ]
        table.add_row(
            arm.replace("search.", ""),
            *(interval([one.gains[epoch] for one in own]) for epoch in epochs),
            "" if arm == RIVAL else interval(paired, "+"),
            f"{statistics.mean(one.failed for one in own):.0%}",
            f"{statistics.mean(one.better for one in own):.0%}",
        )
    return table


def verdicts(courses: Mapping[str, Sequence[Course]], of: str) -> str:
    """Say from which epoch on each arm is ahead of the rival for good, by the paired interval."""
    lines: list[str] = []
    for arm, own in courses.items():
        if arm == RIVAL:
            continue
        ahead = [
            statistics.mean(gaps) > (half_interval(gaps) or 0)
            for epoch in range(len(own[0].gains))
            for gaps in [
                [a.gains[epoch] - b.gains[epoch] for a, b in zip(own, courses[RIVAL], strict=True)]
            ]
        ]
        behind = [epoch for epoch, is_ahead in enumerate(ahead) if not is_ahead]
        since = behind[-1] + 1 if behind else 0
        said = f"ahead from epoch {since} on" if since < len(ahead) else "not ahead at the end"
        won = statistics.mean(
            a.gains[-1] > b.gains[-1] for a, b in zip(own, courses[RIVAL], strict=True)
        )
        lines.append(f"{arm}: {said}; better at the end in {won:.0%} of the {of}")
    return "\n".join(lines)


def draw(courses: Mapping[str, Sequence[Course]], path: Path, gain: str) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only for --plot

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for arm, own in courses.items():
        by_epoch = [[one.gains[epoch] for one in own] for epoch in range(len(own[0].gains))]
        means = [statistics.mean(values) for values in by_epoch]
        halves = [half_interval(values) or 0.0 for values in by_epoch]
        (line,) = axes.plot(means, label=arm.replace("search.", ""), marker=".")
        low, high = ([m + s * h for m, h in zip(means, halves, strict=True)] for s in (-1, 1))
        axes.fill_between(range(len(means)), low, high, color=line.get_color(), alpha=0.15)
    axes.set_xlabel("epoch")
    axes.set_ylabel(gain)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def selection_seconds() -> str:
    """Say how long each strategy takes to select from a campaign of many outcomes."""
    lines: list[str] = []
    for name in ("best_of_n", "evolution", "steady_state", "tree", "islands"):
        search, metric = settings_of(name, epochs=MANY // 100, ideas=100)
        rng = random.Random(0)
        models = Models(World.of(rng), search, rng)
        baseline, plan = models.baseline(1), strategy_named(name)
        past = Past(trials=(), baseline=baseline, metric=metric)
        trials = list[Trial]()
        for epoch in range(MANY // 100):
            trials += models.answer(plan(past, epoch, search, rng), epoch)
            past = replace(past, trials=tuple(trials[-1000:]))
        with TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder) / "ledger")
            ledger.append([row for one in trials for row in (one.idea, row_of(one.outcome))])
            book = Book(ledger, Journal(Path(folder) / "journal.jsonl", {}, {}))
        began = time.perf_counter()
        before = book.trials_before(MANY // 100)
        known = Past(trials=before, baseline=baseline, metric=metric)
        plan(known, MANY // 100, search, rng)
        lines.append(f"{name}: {time.perf_counter() - began:.2f} s from {len(before)} outcomes")
    return "\n".join(lines)


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return the arguments of every benchmark on the landscape; `doc` is its docstring."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--ideas", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="three seeds: does it run at all")
    return parser


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--plot", type=Path, help="an SVG to write (needs matplotlib)")
    asked = parser.parse_args()
    seeds = 3 if asked.quick else asked.seeds
    courses = {
        arm: [course_of(arm, seed, asked.epochs, asked.ideas) for seed in range(seeds)]
        for arm in ARMS
    }
    total = seeds * len(ARMS) * asked.epochs * asked.ideas
    title = f"{seeds} worlds, {asked.epochs} epochs of {asked.ideas} ideas; {total} ideas in all"
    epochs = [epoch for epoch in AT if epoch < asked.epochs]
    console = Console(width=150 if not sys.stdout.isatty() else None, highlight=False)
    console.print(table_of(courses, epochs, title, CAPTION))
    console.print(
        f"{verdicts(courses, 'worlds')}\n\nThe selection of one epoch:\n{selection_seconds()}"
    )
    if asked.plot:
        draw(courses, asked.plot, "true gain of the best-looking idea (nats)")


if __name__ == "__main__":
    main()
