"""A training's log -> its curve. Pure; the log is a candidate's own word, and may say anything."""

from __future__ import annotations

import math
import re

from airr.reporting.tree import Curve

STEP = re.compile(r"\b(?:step|iter|iteration|epoch)[ :=]+(\d{1,12})\b", re.IGNORECASE)
PREFERRED = ("val_loss", "loss", "train_loss", "reward", "accuracy")
"""What a curve shows if the log speaks of it, the first of these that it does."""
NUMBER = r"[-+]?\d{1,12}(?:\.\d{1,12})?(?:e[-+]?\d{1,3})?"
PAIR = re.compile(rf"\b({'|'.join(PREFERRED)})[ :=]{{1,3}}({NUMBER})\b", re.IGNORECASE)
POINTS = 240
"""Points of a curve: as many as a screen can show of it."""
LONGEST_LINE = 2000


def curve_of(log: str) -> Curve | None:
    """Return the curve that a log's lines `step 20 loss 4.17` draw; None below two points."""
    series: dict[str, dict[float, float]] = {}
    for line in log.splitlines():
        step = STEP.search(line[:LONGEST_LINE])
        if step is None:
            continue
        for name, digits in PAIR.findall(line[:LONGEST_LINE]):
            value = float(digits)
            if math.isfinite(value):
                series.setdefault(name.lower(), {})[float(step[1])] = value
    for name in PREFERRED:
        if len(points := series.get(name, {})) > 1:
            thinned = _thinned(sorted(points.items()))
            steps, values = zip(*thinned, strict=True)
            return Curve(name=name, steps=steps, values=values)
    return None


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `POINTS` points, evenly chosen, the last among them."""
    stride = math.ceil(len(points) / POINTS)
    return points[::-1][::stride][::-1]
