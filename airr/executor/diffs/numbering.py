"""Line numbers that a model copied from the prompt (`  12 | text`) -> the lines without them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from airr.executor.diffs.edits import Hunk, Line, Op
from airr.executor.diffs.rejection import Rejection, shorten
from airr.records import Reason

SIGNED = re.compile(r"\s*(\d{1,7})? *\| ?((?:[-+ ].*)?)$")
NUMBERED = re.compile(r"\s*(\d{1,7}) ?\|(?: |$)")


def signs_before_numbers(body: Sequence[str]) -> Sequence[str]:
    """Return a hunk's raw lines without numbers that stand before the signs (`  12 | -text`).

    The lines come back as they are unless each bears one, or is added and has the bar alone; the
    numbers rise; and no line has a sign where it should be. It would change nothing then anyway.
    """
    found = [SIGNED.match(line) for line in body if line.strip() and not line.startswith("\\")]
    if not found or None in found:
        return body
    parts = [(one[1], one[2][:1]) for one in found if one]
    numbers = [int(number or -1) for number, sign in parts if sign != "+"]
    rise = all(number == numbers[0] + offset for offset, number in enumerate(numbers))
    if not rise or -1 in numbers or not {"-", "+"} & {sign for _, sign in parts}:
        return body
    return [one[2] if (one := SIGNED.match(line)) else line for line in body]


def has_numbers(lines: Sequence[str]) -> bool:
    """Tell whether a file itself holds lines that look like numbered ones."""
    return any(NUMBERED.match(line) for line in lines)


def without_numbers(hunk: Hunk, where: str) -> Hunk | Rejection:
    """Return the hunk without copied line numbers, or as it is if it has none.

    They count as copied where every line that the hunk expects bears one and they rise one by
    one. Not to be asked about a file that holds such lines itself.
    """
    expected = [line for line in hunk.lines if line.op is not Op.ADDED]
    added = [text for text in hunk.added if text.strip()]
    with_number = [text for text in added if NUMBERED.match(text)]
    rising = _rise_by_one(expected or hunk.lines)
    if expected and not rising:
        return _half_numbered(with_number[0], where) if with_number else hunk
    if not expected and (not with_number or len(with_number) < len(added)):
        return hunk
    if with_number and (len(with_number) < len(added) or not rising):
        return _half_numbered(with_number[0], where)
    return replace(hunk, lines=tuple(_bare(line) for line in hunk.lines))


def _rise_by_one(lines: Sequence[Line]) -> bool:
    """Tell whether all lines bear numbers without a gap; blank ones may have lost theirs."""
    numbers = [_number(line.text) for line in lines]
    first = numbers[0] if numbers else None
    return first is not None and all(
        number == first + offset or (number is None and not line.text.strip())
        for offset, (number, line) in enumerate(zip(numbers, lines, strict=True))
    )


def _number(text: str) -> int | None:
    found = NUMBERED.match(text)
    return int(found[1]) if found else None


def _bare(line: Line) -> Line:
    found = NUMBERED.match(line.text)
    return replace(line, text=line.text[found.end() :]) if found else line


def _half_numbered(text: str, where: str) -> Rejection:
    return Rejection(
        Reason.NO_PATCH,
        f"{where}: some lines begin with a line number of the prompt and some do not, such as "
        f"{shorten(text.strip())!r}: the numbers are not part of the files, leave them out",
    )
