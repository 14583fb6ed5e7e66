"""Lines that match nowhere -> the region of the file that they most likely meant."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MOST_REPEATS = 50
MOST_COMPARED = 2000
LONGEST_COMPARED = 120
MOST_MISSING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Lines [start, stop) of a file, and what was looked for but does not stand there."""

    start: int
    stop: int
    missing: tuple[str, ...]


def nearest_region(wanted: Sequence[str], lines: Sequence[str]) -> Region:
    """Return where most of the wanted lines stand in order; the file must have lines."""
    start = _best_offset(wanted, lines)
    start = max(0, min(start, len(lines) - 1))
    stop = min(start + len(wanted), len(lines))
    there = {line.strip() for line in lines[start:stop]}
    missing = [line for line in wanted if line.strip() not in there]
    return Region(
        start=max(0, start - 2),
        stop=min(stop + 2, len(lines)),
        missing=tuple(missing[:MOST_MISSING]) or ("(all stand there, but not in this order)",),
    )


def _best_offset(wanted: Sequence[str], lines: Sequence[str]) -> int:
    """Return the index at which the wanted lines would begin, by votes of lines found as such."""
    known: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        known.setdefault(line.strip(), []).append(at)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(wanted):
        places = known.get(line.strip(), []) if line.strip() else []
        for at in places[:MOST_REPEATS]:
            votes[at - offset] += 1
    if votes:
        return max(votes, key=lambda start: (votes[start], -start))
    longest = max(range(len(wanted)), key=lambda offset: len(wanted[offset].strip()))
    return _most_similar(wanted[longest], lines) - longest


def _most_similar(wanted: str, lines: Sequence[str]) -> int:
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted.strip()[:LONGEST_COMPARED])
    best, best_ratio = 0, 0.0
    for at, line in enumerate(lines[:MOST_COMPARED]):
        matcher.set_seq1(line.strip()[:LONGEST_COMPARED])
        if matcher.quick_ratio() > best_ratio and (ratio := matcher.ratio()) > best_ratio:
            best, best_ratio = at, ratio
    return best
