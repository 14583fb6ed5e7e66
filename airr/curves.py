"""A training's log -> its curve at every tenth of its steps, and whether that is hopeless. Pure.

Standard library only: the worker follows a log while it is written. The log is a candidate's own
word, and may be anything of any length: what is kept of it is a sum for each tenth. A curve that
lies can end its own training, or not, and decides nothing else.

The rule is that of Vizier's median stopping (Golovin et al. 2017, section 3.2.2), with a quantile
of one's choice, and with the best value so far on both sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TENTHS = tuple(range(10, 101, 10))
"""Percents of a training's steps, at which a curve has its values."""
STEP = re.compile(rb"\bstep[ :=]+(\d{1,12})\s?/\s?(\d{1,12})\b", re.IGNORECASE)
NUMBER = r"[-+]?\d{1,12}(?:\.\d{1,12})?(?:e[-+]?\d{1,3})?"
LONGEST_LINE = 2000

Curve = Mapping[int, float]
"""Tenth in percent -> the mean of what was told in it; tenths of which nothing was are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveOf:
    """The number in a log's lines `step 20/200 ... NAME 4.17` that is the curve."""

    name: str
    minimize: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a curve is held against: at each tenth, a quantile of `curves` earlier ones."""

    quantile: float
    curves: int
    values: Curve


@dataclass(frozen=True, slots=True)
class Hopeless:
    """Where a curve was found to be so: its best value by that tenth, and the bar there."""

    tenth: int
    value: float
    bar: float


def best_so_far(curve: Curve, *, minimize: bool) -> dict[int, float]:
    """Return the best value by each tenth from a curve's first one on."""
    best: dict[int, float] = {}
    for tenth in TENTHS:
        known = [curve[one] for one in TENTHS if one <= tenth and one in curve]
        if known:
            best[tenth] = min(known) if minimize else max(known)
    return best


def bar_of(
    curves: Sequence[Curve], *, quantile: float, first: int, least: int, minimize: bool
) -> Bar:
    """Return the bar that earlier curves set from the tenth `first` on, `least` of them or more.

    A share `quantile` of them is at least as good as the bar. The last tenth has none: it is over.
    """
    bests = [best for curve in curves if (best := best_so_far(curve, minimize=minimize))]
    values: dict[int, float] = {}
    for tenth in TENTHS[:-1]:
        known = sorted((best[tenth] for best in bests if tenth in best), reverse=not minimize)
        if tenth >= first and len(known) >= least:
            values[tenth] = known[math.ceil(quantile * len(known)) - 1]
    return Bar(quantile=quantile, curves=len(bests), values=values)


def hopeless(curve: Curve, bar: Bar, *, minimize: bool) -> Hopeless | None:
    """Return where a curve is first worse than its bar, if anywhere; `curve` has whole tenths."""
    best = best_so_far(curve, minimize=minimize)
    for tenth in TENTHS:
        if tenth in curve and tenth in bar.values:
            value, limit = best[tenth], bar.values[tenth]
            if value > limit if minimize else value < limit:
                return Hopeless(tenth, value, limit)
    return None


@dataclass(slots=True)
class CurveReader:
    """Reads a curve from a log, in whatever pieces that comes."""

    of: CurveOf
    _line: bytes = b""
    _sums: dict[int, tuple[float, int]] = field(default_factory=dict[int, tuple[float, int]])
    _reached: float = 0.0
    _pattern: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        name = re.escape(self.of.name)
        self._pattern = re.compile(rf"\b{name}[ :=]{{1,3}}({NUMBER})\b".encode(), re.IGNORECASE)

    def feed(self, chunk: bytes) -> bool:
        """Take a piece of the log; tell whether another tenth is whole."""
        before = self._reached // 10
        first, *others = chunk.split(b"\n")
        self._line = (self._line + first)[:LONGEST_LINE]
        for piece in others:
            self._read(self._line)
            self._line = piece[:LONGEST_LINE]
        return self._reached // 10 > before

    @property
    def curve(self) -> dict[int, float]:
        """Return the mean of each tenth so far, those alone that are whole."""
        return {
            tenth: total / count
            for tenth, (total, count) in sorted(self._sums.items())
            if tenth <= self._reached and math.isfinite(total)
        }

    def _read(self, line: bytes) -> None:
        step, told = STEP.search(line), self._pattern.search(line)
        if step is None or told is None or not 0 < int(step[1]) <= int(step[2]):
            return
        value, percent = float(told[1]), 100 * int(step[1]) / int(step[2])
        if not math.isfinite(value) or percent < self._reached:
            return
        self._reached = percent
        tenth = max(10, math.ceil(percent / 10) * 10)
        total, count = self._sums.get(tenth, (0.0, 0))
        self._sums[tenth] = (total + value, count + 1)
