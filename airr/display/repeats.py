"""The outcomes of one codebase with several seeds, as a table and a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from airr.display.tables import counted, number
from airr.measuring import Measuring
from airr.records import BASELINE, Failed, Outcome, Scored
from airr.significance import half_interval, spread

SHOWN = {
    "tokens_per_second": ("tokens/s", "{:,.0f}", 1.0),
    "mfu": ("MFU", "{:.1f} %", 100.0),
    "peak_memory_gb": ("peak memory", "{:.2f} GB", 1.0),
    "steps": ("steps", "{:,.0f}", 1.0),
}
"""What training may report of itself: title, format and unit. Other names are left out."""


def told_of_baseline(measuring: Measuring) -> Group:
    """Return each run of the unmodified codebase, and how they scatter."""
    config = measuring.config
    outcomes = {
        repeat: outcome
        for (idea_id, repeat), outcome in sorted(measuring.book.outcomes.items())
        if idea_id == BASELINE
    }
    scored = [outcome for outcome in outcomes.values() if isinstance(outcome, Scored)]
    lines = [*_failures(outcomes, config.seed), *summary_lines(scored, config.metric.name)]
    folder = measuring.workspace.folder
    lines.append(f"ledger   {folder / 'ledger'} (Python: airr.ledger.load('{folder}'))")
    return Group(_table(outcomes, measuring), Text("\n".join(lines)))


def summary_lines(scored: Sequence[Scored], metric: str) -> list[str]:
    """Return what the scores of one codebase come to, in words."""
    values = [outcome.metric for outcome in scored]
    if not values:
        return []
    found, wide, scatter = mean(values), half_interval(values), spread(values)
    errors = [one.standard_error for one in scored if one.standard_error is not None]
    lines = [f"{metric} {found:.4f}, the mean of {counted(len(values), 'seed')}"]
    if wide is not None and scatter is not None:
        lines[0] += f"; 95 % interval {found - wide:.4f} to {found + wide:.4f}"
        lines.append(f"spread   {scatter:.4f}, the standard deviation over seeds")
    if errors:
        lines.append(
            f"error    {mean(errors):.4f}, of a single score: the validation data is finite, but "
            "the same for all"
        )
    if reported := reported_text([outcome.reported for outcome in scored]):
        lines.append(f"reported {reported} (by the training itself)")
    return lines


def reported_text(reports: Sequence[Mapping[str, float]]) -> str:
    """Return the means of what trainings said of themselves, each in its unit."""
    parts: list[str] = []
    for name, (title, form, unit) in SHOWN.items():
        values = [report[name] for report in reports if name in report]
        if values:
            parts.append(f"{title} {form.format(mean(values) * unit)}")
    return ", ".join(parts)


def _failures(outcomes: Mapping[int, Outcome], first_seed: int) -> list[str]:
    return [
        f"seed {first_seed + repeat} failed ({outcome.reason} while {outcome.stage}): "
        f"{outcome.detail}"
        for repeat, outcome in outcomes.items()
        if isinstance(outcome, Failed)
    ]


def _table(outcomes: Mapping[int, Outcome], measuring: Measuring) -> Table:
    metric, first = measuring.config.metric, measuring.config.seed
    reports = [outcome.reported for outcome in outcomes.values()]
    shown = {name: how for name, how in SHOWN.items() if any(name in one for one in reports)}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("seed", metric.name, "train", "score", *(title for title, *_ in shown.values())):
        table.add_column(title, justify="right", no_wrap=True)
    for repeat, outcome in outcomes.items():
        score = "failed"
        if isinstance(outcome, Scored):
            score = number(outcome.metric, outcome.standard_error)
        cells = [
            form.format(outcome.reported[name] * unit) if name in outcome.reported else ""
            for name, (_, form, unit) in shown.items()
        ]
        times = (f"{outcome.train_seconds:.1f} s", f"{outcome.score_seconds:.1f} s")
        table.add_row(str(first + repeat), score, *times, *cells)
    return table
