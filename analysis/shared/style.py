"""How figures look: sizes of a paper's column, colours that everybody can tell apart, safe texts.

The colours are those of Okabe and Ito (jfly.uni-koeln.de/color), without yellow, which is lost on
white paper; lines differ in their markers too, so that a grey print keeps them apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from airr.config import Metric
from analysis.shared.intervals import Interval

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6b6b6b"
BAND_FROM = 4
"""Campaigns from which on an interval is drawn; fewer are all drawn themselves, as hair lines."""
WIDTH = 3.4
"""Inches: a column of a two-column paper; a figure with two panels beside each other takes both."""
FONT = "DejaVu Sans"
"""Comes with matplotlib, so that figures look the same everywhere."""
SETTINGS: Mapping[Any, Any] = {
    "font.family": FONT,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    "savefig.dpi": 150,
    "pdf.fonttype": 42,  # letters stay letters: journals ask for it
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one line of a figure looks."""

    color: str
    marker: str


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return a look for each label, the same one for the same place in the list."""
    colors, markers = itertools.cycle(COLORS), itertools.cycle(MARKERS)
    return {label: Look(color, marker) for label, color, marker in zip(labels, colors, markers)}  # noqa: B905 - endless


def new_figure(
    columns: int = 1,
    rows: int | Sequence[float] = 1,
    *,
    height: float = 2.3,
    width: float = WIDTH,
) -> tuple[Figure, list[list[Axes]]]:
    """Return an empty figure and its panels by row and column.

    Sizes are of one panel, in inches; `rows` may say how high each is beside the others.
    """
    ratios = [1.0] * rows if isinstance(rows, int) else [*rows]
    mpl.rcdefaults()
    mpl.rcParams.update({**SETTINGS})
    figure = Figure(figsize=(width * columns, height * len(ratios)), layout="constrained")
    panels = figure.subplots(len(ratios), columns, squeeze=False, height_ratios=ratios)
    return figure, [[*row] for row in panels]


def draw_spread(axes: Axes, each: pd.DataFrame, intervals: Sequence[Interval], color: str) -> None:
    """Show around a line of means how campaigns differ; `each` has a column for each of them.

    Four or more are shown by the shaded intervals, fewer each as a hair line, one by nothing.
    """
    if each.shape[1] >= BAND_FROM:
        low, high = ([one.low for one in intervals], [one.high for one in intervals])
        axes.fill_between(each.index, low, high, color=color, alpha=0.18, linewidth=0)
    elif each.shape[1] > 1:
        axes.plot(each.index, each, color=color, linewidth=0.5, alpha=0.6)


def legend(axes: Axes, **where: Any) -> None:
    """Draw a legend if there is anything to explain."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**where)


def legend_below(axes: Axes, columns: int = 2) -> None:
    """Put the legend where it covers nothing."""
    where = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}
    legend(axes, **where, ncols=columns, columnspacing=1.2)


def whole_numbers(axes: Axes) -> None:
    """Let the axis along the bottom count, be it to one."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def quantity(metric: Metric, said: str = "{}") -> str:
    """Return the name of an axis of this metric, over two lines where its unit is long."""
    gap = "\n" if len(metric.unit) > 12 else " "
    return f"{said.format(metric.name)}{gap}({metric.unit})"


def in_words(text: str, most: int = 60) -> str:
    """Return a model's text as a label: one line, no markup, no sign that the font lacks."""
    known = _signs()
    kept = "".join(sign if ord(sign) in known else "?" for sign in " ".join(text.split()))
    short = kept if len(kept) <= most else f"{kept[: most - 3].rstrip()}..."
    return short.replace("$", r"\$")


@cache
def _signs() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(FONT))
    return frozenset(code for code in font.get_charmap() if chr(code).isprintable())


def panels_of(axes: Sequence[Sequence[Axes]]) -> Iterator[Axes]:
    """Yield the panels row by row."""
    return itertools.chain.from_iterable(axes)
