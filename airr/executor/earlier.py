"""The ledger's runs -> what the curves of the next ones are held against (`search.early_stopping`).

Only what was scored in earlier epochs counts, and the baseline: where epochs strictly follow each
other, a bar does not depend on which run ended first, and a head that was killed sets the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from airr.book import Book
from airr.config import Config, Direction
from airr.curves import TENTHS, Bar, Curve, bar_of
from airr.records import BASELINE, Run, RunKey


def bar_for(config: Config, book: Book, keys: Sequence[RunKey]) -> Bar | None:
    """Return the bar for some full runs; None where none is ended for its curve."""
    early, shown = config.search.early_stopping, config.env.curve
    epochs = [book.ideas[key.idea_id].epoch for key in keys if key.idea_id in book.ideas]
    if early.quantile is None or shown is None or not epochs:
        return None
    before = min(epochs)
    curves = [_curve(run) for run in book.runs.values() if _counts(run, book, before)]
    bar = bar_of(
        curves,
        quantile=early.quantile,
        first=round(100 * early.from_share),
        least=early.curves,
        minimize=shown.direction is Direction.MINIMIZE,
    )
    return bar if bar.values else None


def _counts(run: Run, book: Book, epoch: int) -> bool:
    if run.rung is not None or run.reason is not None or run.repeat:
        return False  # another seed sees other data: its curve lies elsewhere
    return run.idea_id == BASELINE or book.ideas[run.idea_id].epoch < epoch


def _curve(run: Run) -> Curve:
    return {tenth: run.curve[str(tenth)] for tenth in TENTHS if str(tenth) in run.curve}
