"""What a verification found, as a table: search score, fresh scores, gain, verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from airr.config import Metric
from airr.display.tables import InTwoLines
from airr.judgement import Verdict, failures_of, judge, scores_of
from airr.measuring import Measuring
from airr.plain import plain_line
from airr.records import BASELINE, how_it_ended
from airr.significance import half_interval, rank_correlation
from airr.titles import titles_of
from airr.verification import Searched

STYLES = {"better": "green", "worse": "red", "failed": "red"}


def told_of_verification(searched: Searched) -> Callable[[Measuring], Group]:
    """Return what tells of the verification of this search."""

    def told(measuring: Measuring) -> Group:
        book, metric = measuring.book, measuring.config.metric
        verdicts = judge([*book.ideas.values()], book.outcomes, searched.scores, metric)
        baseline = scores_of(BASELINE, book.outcomes)
        table = _table(verdicts, baseline, searched.scores.get(BASELINE), metric)
        folder = measuring.workspace.folder
        lines = [
            *_cheats(measuring, verdicts),
            *transfer_lines(verdicts, baseline, searched, measuring),
            "p        Welch, two-sided, Holm-adjusted over the ideas; ± is half a 95 % interval",
            f"ledger   {folder / 'ledger'} (Python: airr.ledger.load('{folder}'))",
        ]
        return Group(table, Text("\n".join(lines)))

    return told


def _table(
    verdicts: Sequence[Verdict], baseline: Sequence[float], before: float | None, metric: Metric
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    for title in ("idea", "in the search", metric.name, "gain", "verdict"):
        justify = "left" if title in {"idea", "verdict"} else "right"
        table.add_column(title, justify=justify, no_wrap=True)
    table.add_column("what", ratio=1)
    table.add_row(BASELINE, _four(before), scores_text(baseline), "", "", "", style="dim")
    titles = titles_of({one.idea.id: one.idea.text for one in verdicts})
    for one in verdicts:
        gain = "" if one.gain is None else f"{one.gain:+.4f}"
        cells = (one.idea.id, _four(one.searched), scores_text(one.scores), gain, one.in_words)
        style = STYLES.get(one.in_words.split()[0].strip(","), "")
        table.add_row(*map(Text, cells), InTwoLines(titles[one.idea.id]), style=style)
    return table


def _four(metric: float | None) -> str:
    return "" if metric is None else f"{metric:.4f}"


def scores_text(scores: Sequence[float]) -> str:
    """Return a mean with half the width of its 95 % interval."""
    if not scores:
        return ""
    wide = half_interval(scores)
    return f"{mean(scores):.4f}" if wide is None else f"{mean(scores):.4f} ± {wide:.4f}"


def _cheats(measuring: Measuring, verdicts: Sequence[Verdict]) -> list[str]:
    """Return what failed runs did, the baseline's first."""
    failed = [*failures_of(BASELINE, measuring.book.outcomes)]
    failed += [failure for one in verdicts for failure in one.failures]
    return [
        f"{one.idea_id} seed {measuring.config.seed + one.repeat}: {how_it_ended(one)}: "
        f"{plain_line(one.detail.strip().rpartition(chr(10))[2])}"
        for one in failed
    ]


def transfer_lines(
    verdicts: Sequence[Verdict], baseline: Sequence[float], searched: Searched, measuring: Measuring
) -> list[str]:
    """Return whether what won at the search's scale wins at this one, where that is another."""
    small, large = searched.charter.setting("env.name", str), measuring.config.env.name
    known = [one for one in verdicts if one.searched is not None and one.scores]
    before = searched.scores.get(BASELINE)
    if small == large or before is None or not baseline:
        return []
    kept = [one for one in known if one.gain is not None and one.gain > 0]
    led = [one for one in known if searched.metric.gain(one.searched or 0.0, before) > 0]
    lines = [
        f"transfer {len([one for one in led if one in kept])} of the {len(led)} that beat the "
        f"baseline of {small} in the search beat that of {large}"
    ]
    pairs = [(one.searched or 0.0, mean(one.scores)) for one in known]
    found = rank_correlation([a for a, _ in pairs], [b for _, b in pairs])
    if found:
        rho, p_value = found
        lines.append(
            f"         rank correlation of the {len(pairs)} ideas {rho:.2f} (Spearman, "
            f"p={p_value:.2g}); being the best of their search narrows its range"
        )
    return lines
