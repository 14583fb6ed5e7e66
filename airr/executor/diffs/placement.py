"""A hunk and the lines of a file -> the one place where it belongs, or why there is none.

Lines are compared exactly first, and only where that finds nothing with white space ignored. A
place counts if it is the only one of its grade. Stated line numbers decide between several only
where the headers of all hunks of the file prove right to the letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from airr.executor.diffs.edits import Hunk, Line, Op
from airr.executor.diffs.elisions import is_elision
from airr.executor.diffs.regions import nearest_region
from airr.executor.diffs.rejection import Rejection, quote, shorten
from airr.records import Reason

MOST_PLACES = 64
PLACES_SHOWN = 5


class Grade(IntEnum):
    """How well a hunk fits a place; lower is better."""

    EXACT = 0
    """Letter by letter."""
    STRIPPED = 1
    """But for white space at line ends, and context lines that lack their leading space."""
    SPACING = 2
    """But for white space anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A hunk at its place: `at` is the index of its first line in the file."""

    hunk: Hunk
    at: int
    grade: Grade


@dataclass(frozen=True)
class _Haystack:
    """A file's lines, in the two forms in which hunks are looked for; the second seldom is."""

    lines: Sequence[str]

    @cached_property
    def exact(self) -> str:
        """Return the lines as they are."""
        return _joined(self.lines)

    @cached_property
    def squeezed(self) -> str:
        """Return the lines with white space made single spaces."""
        return _joined([_squeeze(line) for line in self.lines])


def place_hunks(
    hunks: Sequence[Hunk], lines: Sequence[str], where: str, *, trust_lines: bool
) -> list[Placed] | Rejection:
    """Return the hunks of one file at their places in it, in their own order.

    `trust_lines` says that line numbers of the answer mean this very text: no edit came before.
    """
    if trust_lines and _all_headers_are_right(hunks, lines):
        return [
            Placed(hunk=hunk, at=(hunk.old_start or 1) - 1, grade=Grade.EXACT) for hunk in hunks
        ]
    haystack = _Haystack(lines)
    placed: list[Placed] = []
    for number, hunk in enumerate(hunks, start=1):
        found = _place(hunk, haystack, f"{where}, hunk {number} of {len(hunks)}")
        if isinstance(found, Rejection):
            return found
        placed.append(found)
    return placed


def _all_headers_are_right(hunks: Sequence[Hunk], lines: Sequence[str]) -> bool:
    """Tell whether old and new line numbers agree with each other and with the file."""
    shift = 0
    for hunk in hunks:
        before = hunk.before
        added = len(hunk.added)
        removed = sum(line.op is Op.REMOVED for line in hunk.lines)
        if hunk.old_start is None or not before:
            return False
        at = hunk.old_start - 1
        if at < 0 or tuple(lines[at : at + len(before)]) != before:
            return False
        # with nothing left of it, a hunk's new start is the line above
        if hunk.new_start != hunk.old_start + shift - (len(before) == removed and not added):
            return False
        shift += added - removed
    return True


def _place(hunk: Hunk, haystack: _Haystack, where: str) -> Placed | Rejection:
    before = hunk.before
    if not before:
        if haystack.lines:
            return Rejection(
                Reason.NO_PATCH,
                f"{where}: it adds lines without context, so their place is unknown: write three "
                "unchanged lines above and below them",
            )
        return Placed(hunk=hunk, at=0, grade=Grade.EXACT)
    exact = _places(_joined(before), haystack.exact, PLACES_SHOWN)
    if exact:
        return _only(exact, hunk, Grade.EXACT, haystack, where)
    loose = _places(_joined([_squeeze(line) for line in before]), haystack.squeezed, MOST_PLACES)
    if not loose:
        return _matches_nowhere(before, haystack.lines, where)
    stripped = [at for at in loose if _fits_stripped(hunk, haystack.lines, at)]
    grade = Grade.STRIPPED if stripped else Grade.SPACING
    return _only(stripped or loose, hunk, grade, haystack, where)


def _only(
    places: Sequence[int], hunk: Hunk, grade: Grade, haystack: _Haystack, where: str
) -> Placed | Rejection:
    if len(places) == 1:
        return Placed(hunk=hunk, at=places[0], grade=grade)
    count = len(hunk.before)
    shown = "\n\n".join(
        quote(haystack.lines, at - 1, at + count + 1) for at in places[:PLACES_SHOWN]
    )
    more = " (or more)" if len(places) >= PLACES_SHOWN else ""
    return Rejection(
        Reason.NO_PATCH,
        f"{where}: its lines match {len(places)} places{more}, so where it belongs is not clear. "
        f"Add unchanged lines around it until it matches one alone:\n\n{shown}",
    )


def _matches_nowhere(before: Sequence[str], lines: Sequence[str], where: str) -> Rejection:
    elided = next((line for line in before if is_elision(line)), None)
    if elided is not None:
        return Rejection(
            Reason.NO_PATCH,
            f"{where}: {shorten(elided.strip())!r} stands for lines that are not written out. "
            "Write every line of the hunk as it is in the file, or use two hunks",
        )
    if not lines:
        return Rejection(Reason.NO_PATCH, f"{where}: it matches nowhere, since the file is empty")
    region = nearest_region(before, lines)
    differing = [f"  {shorten(line)}" for line in region.missing]
    return Rejection(
        Reason.NO_PATCH,
        f"{where}: its context and removed lines match nowhere. The nearest lines of the file:\n"
        f"{quote(lines, region.start, region.stop)}\n"
        "Lines of the hunk that do not stand there:\n" + "\n".join(differing),
    )


def _fits_stripped(hunk: Hunk, lines: Sequence[str], at: int) -> bool:
    expected = [line for line in hunk.lines if line.op is not Op.ADDED]
    return all(_equal_stripped(line, lines[at + n]) for n, line in enumerate(expected))


def _equal_stripped(line: Line, known: str) -> bool:
    known, text = known.rstrip(), line.text.rstrip()
    # context that lacks its leading space lost one of its own to the reader of the hunk
    return known == text or (line.op is Op.CONTEXT and known == f" {text}")


def _places(needle: str, haystack: str, most: int) -> list[int]:
    """Return the first line indices at which whole lines match; str.find keeps it linear."""
    found: list[int] = []
    lines = last = 0
    at = haystack.find(needle)
    while at >= 0 and len(found) < most:
        lines += haystack.count("\n", last, at)
        last = at
        found.append(lines)
        at = haystack.find(needle, at + 1)
    return found


def _joined(lines: Sequence[str]) -> str:
    """Return lines as one text in which every line has a newline on either side."""
    return "\n" + "".join(f"{line}\n" for line in lines)


def _squeeze(line: str) -> str:
    return " ".join(line.split())
