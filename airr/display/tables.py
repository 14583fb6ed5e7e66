"""A summary -> the tables and lines that a terminal or a log file shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from airr.config import OFFLINE, Llm, Role
from airr.records import BASELINE, Withheld
from airr.researcher.bandit import Record
from airr.summary import Best, Spend, together
from airr.titles import LONGEST, Title

UNSHIELDED = "WITHOUT a sandbox"
"""Whoever reads this has asked for it, and is told at every turn."""


class InTwoLines:
    """A title in a column, on two lines at most: what sets it apart from others is not cut off."""

    def __init__(self, title: Title) -> None:
        """Show this title."""
        self._title = title

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Take as much width as there is, and little where there is little."""
        return Measurement(min(10, options.max_width), min(LONGEST, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield as much of it as two lines hold."""
        width = options.max_width
        shown = Text()
        for room in range(min(2 * width, LONGEST), 0, -1):
            shown = Text(self._title.within(room))
            if len(shown.wrap(console, width)) <= 2:
                break
        yield shown


UNTITLED = Title("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A codebase in the table of the best; its score is the mean over `seeds`."""

    id: str
    score: str
    gain: str = ""
    seeds: int
    title: Title = UNTITLED
    style: str = ""


def row_of(best: Best, seeds: Mapping[str, int], title: Title) -> Row:
    """Return an idea's row; green is what beats the baseline beyond noise."""
    return Row(
        id=best.idea.id,
        score=number(best.outcome.metric, best.outcome.standard_error),
        gain=gain_text(best),
        seeds=seeds[best.idea.id],
        title=title,
        style="green" if best.gain > 0 and not best.is_noise else "",
    )


def best_table(rows: Sequence[Row], metric: str) -> Table:
    """Return the best ideas below the measured baseline, if there is one.

    Where no idea has a gain, or none has more than one seed, that needs no column.
    """
    columns = {
        "idea": [row.id for row in rows],
        metric: [row.score for row in rows],
        "gain": [row.gain for row in rows],
        "seeds": [str(row.seeds) for row in rows],
    }
    if max(row.seeds for row in rows) == 1:
        del columns["seeds"]
    if not any(row.gain for row in rows):
        del columns["gain"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    for place, (title, cells) in enumerate(columns.items()):
        width = max(len(title), *map(len, cells))
        justify = "left" if place == 0 else "right"
        table.add_column(title, justify=justify, no_wrap=True, min_width=width)
    table.add_column("what", ratio=1)
    for row, *cells in zip(rows, *columns.values(), strict=True):
        table.add_row(*map(Text, cells), InTwoLines(row.title), style=row.style)
    return table


def baseline_row(baseline: str, seeds: int) -> Row:
    """Return the row of the unmodified codebase."""
    return Row(id=BASELINE, score=baseline, seeds=seeds, style="dim")


def gain_text(best: Best) -> str:
    """Return a gain as `gain_in_words` does."""
    return gain_in_words(best.gain, best.gain_error, is_noise=best.is_noise)


def gain_in_words(gain: float, error: float | None, *, is_noise: bool) -> str:
    """Return a gain with its standard error; `~` marks a difference within twice that error."""
    shown = "" if error is None else f" ± {error:.3f}"
    return f"{'~ ' if is_noise else ''}{gain:+.4f}{shown}"


def number(metric: float, error: float | None) -> str:
    """Return a metric with its standard error."""
    return f"{metric:.4f}" if error is None else f"{metric:.4f} ± {error:.4f}"


def failure_line(failures: Mapping[Any, int], dropped: Mapping[Any, int] | None = None) -> str:
    """Return how many ideas were dropped and how many failed, by reason, the commonest first."""
    given_up = f"{_by_reason(dropped, 'dropped')}, " if dropped else ""
    return given_up + (_by_reason(failures, "failed") if failures else "none failed")


def _by_reason(counts: Mapping[Any, int], verb: str) -> str:
    reasons = ", ".join(f"{n} {reason}" for reason, n in Counter(counts).most_common())
    return f"{sum(counts.values())} {verb}: {reasons}"


def withheld_lines(held: Sequence[Withheld]) -> list[str]:
    """Return a line for each score that is too good to be believed yet."""
    return [f"held    {one.idea_id} until it is verified: {one.detail}" for one in held]


def with_warning(text: str) -> Text:
    """Return a text in which it stands in red that candidates run without a sandbox."""
    shown = Text(text)
    shown.highlight_words([UNSHIELDED], style="bold red")
    return shown


def models_text(llm: Llm) -> str:
    """Return who is asked, and where that is not where the provider's models usually are."""
    if llm.is_offline:
        return "offline: ideas and diffs come from a catalogue, no model is asked"
    ideators = " or ".join(role_text(role) for role in llm.ideators.values())
    batches = ", in batches that take up to a day" if llm.batch else ""
    return f"{ideators} proposes, {role_text(llm.implementer)} implements{batches}"


def role_text(role: Role) -> str:
    """Return the model of a role, and where it is asked."""
    if role.provider == OFFLINE:
        return "the offline catalogue"
    return f"{role.model} ({role.base_url or role.provider})"


def members_line(records: Mapping[str, Record]) -> str:
    """Return how often each of several models proposed what paid."""
    parts = [f"{name} {record.paid} of {record.tried}" for name, record in sorted(records.items())]
    return f"{', '.join(parts)} better than the baseline beyond noise"


def spend_lines(spends: Mapping[str, Spend]) -> list[str]:
    """Return what each role has spent on models, and their sum: a line each, in columns."""
    shown = dict(spends)
    if len(spends) > 1:
        shown["together"] = together(spends.values())
    rows = [(role, *_cells(spend)) for role, spend in shown.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ] or ["no model was asked yet"]


def _cells(spend: Spend) -> tuple[str, ...]:
    calls = counted(spend.calls, "call")
    return (
        f"{calls}, {spend.cancelled} cancelled" if spend.cancelled else calls,
        f"{compact(spend.input_tokens + spend.written_tokens)} tokens in",
        f"{compact(spend.cached_tokens)} cached",
        f"{compact(spend.output_tokens)} out",
        usd_text(spend),
    )


def usd_text(spend: Spend) -> str:
    """Return dollars as far as they are known."""
    if spend.unpriced == 0:
        return f"${spend.usd:.2f}"
    if spend.unpriced == spend.calls:
        return "cost unknown"
    return f"${spend.usd:.2f} and {counted(spend.unpriced, 'call')} of unknown cost"


def compact(number: int) -> str:
    """Return a count in at most four characters: `987`, `12k`, `3.4M`, `56M`."""
    for unit, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if number >= unit:
            scaled = number / unit
            return f"{scaled:.1f}{letter}" if scaled < 9.95 else f"{scaled:.0f}{letter}"
    return str(number)


def time_line(seconds: Mapping[str, float]) -> str:
    """Return where the time of the work went."""
    return ", ".join(f"{stage} {duration(spent)}" for stage, spent in seconds.items())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 idea`, `8 ideas`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Return a time span as people write it: `48 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
