"""A hunk at its place -> its added lines, spelt as the file there would have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from airr.executor.diffs.edits import Hunk, Line, Op
from airr.executor.diffs.indentation import Shift, indent_of, shift_between
from airr.executor.diffs.placement import Grade, Placed
from airr.executor.diffs.rejection import Rejection
from airr.records import Reason


@dataclass(frozen=True, slots=True)
class Fitted:
    """The added lines of a hunk in the indentation and line endings of their place.

    `as_written` has them in the hunk's own indentation. Where that differs, it may be what was
    meant, unless the hunk `shows_its_indentation`.
    """

    lines: list[Line]
    as_written: list[Line]
    shows_its_indentation: bool

    @property
    def is_doubtful(self) -> bool:
        """Tell whether the lines may have been meant in the indentation they were written in."""
        pairs = zip(self.lines, self.as_written, strict=True)
        shifted = any(indent_of(line.text) != indent_of(own.text) for line, own in pairs)
        return shifted and not self.shows_its_indentation


def fit(placed: Placed, lines: Sequence[str], where: str, tabs: Shift) -> Fitted | Rejection:
    """Return the added lines as the place in the file would have them.

    `tabs` is what other hunks of the file show about tabs, for one whose own lines show nothing.
    """
    added = [line for line in placed.hunk.lines if line.op is Op.ADDED]
    expected = [line for line in placed.hunk.lines if line.op is not Op.ADDED]
    known = lines[placed.at : placed.at + len(expected)]
    shift = _shift(expected, known) if placed.grade is Grade.SPACING else _unshifted
    if not any(map(indent_of, known)):
        shift = tabs
    own = {line.text: theirs for line, theirs in zip(expected, known, strict=True)}
    ending = "\r" if 2 * sum(line.endswith("\r") for line in known) > len(known) else ""
    if placed.grade is Grade.EXACT and shift is _unshifted:
        return Fitted(added, added, shows_its_indentation=True)
    fitted = [_fitted(line, shift, own, ending) for line in added] if shift else [None]
    if added and None in fitted:
        return unclear_indentation(where, placed.at)
    unshifted = [_fitted(line, _unshifted, {}, ending) for line in added]
    return Fitted(
        lines=[line for line in fitted if line is not None],
        as_written=[line for line in unshifted if line is not None],
        shows_its_indentation=_shows_its_indentation(placed.hunk) or _uses_tabs(expected, known),
    )


def shown_about_tabs(placed: Sequence[Placed], lines: Sequence[str]) -> Shift:
    """Return how tabs of the hunks become spaces of the file, or the reverse, if any hunk shows."""
    for one in placed:
        expected = [line for line in one.hunk.lines if line.op is not Op.ADDED]
        known = lines[one.at : one.at + len(expected)]
        if one.grade is Grade.SPACING and _uses_tabs(expected, known):
            return _shift(expected, known) or _unshifted
    return _unshifted


def mixes_in_tabs(fitted: Sequence[Fitted], lines: Sequence[str]) -> str | None:
    """Return the first added line that begins with a tab in a file that indents by spaces alone."""
    added = (line.text for one in fitted for line in one.lines)
    tabbed = next((text for text in added if text.startswith("\t")), None)
    if tabbed is None:
        return None
    return tabbed if {indent_of(line)[:1] for line in lines} == {"", " "} else None


def unclear_indentation(where: str, at: int) -> Rejection:
    """Refuse a hunk that fits a place in all but its indentation, which is meaning in Python."""
    return Rejection(
        Reason.NO_PATCH,
        f"{where}: it matches at line {at + 1} only if indentation is ignored, so how its added "
        "lines should be indented is not clear. Copy context and removed lines with their exact "
        "indentation",
    )


def _shows_its_indentation(hunk: Hunk) -> bool:
    """Tell whether added lines stand in for removed ones of the same indentation everywhere.

    Then they are shifted as those are. Beside context alone, nothing says so.
    """
    for changed, lines in groupby(hunk.lines, key=lambda line: line.op is not Op.CONTEXT):
        group = [line for line in lines if changed and line.text.strip()]
        added, removed = (_indents(group, op) for op in (Op.ADDED, Op.REMOVED))
        if (indent := next(added, None)) is not None and indent != next(removed, None):
            return False
    return True


def _indents(lines: Sequence[Line], op: Op) -> Iterator[str]:
    return (indent_of(line.text) for line in lines if line.op is op)


def _uses_tabs(expected: Sequence[Line], known: Sequence[str]) -> bool:
    """Tell whether hunk and file indent by different characters: no one means that."""
    return any("\t" in indent_of(line.text) for line in expected) or any(
        "\t" in indent_of(line) for line in known
    )


def _shift(expected: Sequence[Line], known: Sequence[str]) -> Shift | None:
    pairs = [(line.text, theirs) for line, theirs in zip(expected, known, strict=True)]
    # context that lacks its leading space lost one of its own to the reader of the hunk
    if all(
        indent_of(theirs) in {indent_of(line.text), *_restored(line)}
        for line, theirs in zip(expected, known, strict=True)
        if line.text.strip()
    ):
        return _unshifted
    return shift_between(pairs)


def _restored(line: Line) -> tuple[str, ...]:
    return (f" {indent_of(line.text)}",) if line.op is Op.CONTEXT else ()


def _unshifted(indent: str) -> str:
    return indent


def _fitted(line: Line, shift: Shift, own: Mapping[str, str], ending: str) -> Line | None:
    """Return one added line as the file would have it; None where its indentation is unclear."""
    text = line.text.rstrip("\r")
    if line.text in own:
        return replace(line, text=own[line.text])
    if not text.strip():
        return replace(line, text=text + ending)
    indent = shift(indent_of(text))
    if indent is None:
        return None
    text = indent + text[len(indent_of(text)) :]
    return replace(line, text=text if line.ends_file else text + ending)
