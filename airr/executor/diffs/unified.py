"""Lines of an answer -> the unified diff of one file that begins there.

Counts in hunk headers are believed where body and surroundings agree with them; otherwise a
hunk goes on to the next thing that is certainly none of its lines. What cannot be told apart
from prose stays in the hunk, which then matches nowhere: better refused than cut short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from airr.executor.diffs.edits import FileDiff, Hunk, Line, Op
from airr.executor.diffs.numbering import signs_before_numbers
from airr.executor.diffs.rejection import Rejection, shorten
from airr.records import Reason

FENCE = re.compile(r"(`{3,}|~{3,})")
BULLET = re.compile(r"[-+] \S|-->|->|---+$|-- $")
RANGES = re.compile(r"@@\s*-(\d{1,9})(?:,(\d{1,9}))?\s+\+(\d{1,9})(?:,(\d{1,9}))?\s*@@")
GIT_HEADERS = (
    "index ",
    "old mode ",
    "new mode ",
    "new file mode ",
    "deleted file mode ",
    "similarity index ",
    "dissimilarity index ",
    "rename from ",
    "rename to ",
    "copy from ",
    "copy to ",
    "Binary files ",
    "GIT binary patch",
)
ORPHAN = re.compile(
    r"(old|new|new file|deleted file) mode \d{6}$|rename from \S|index [0-9a-f]{4,}\.\.[0-9a-f]{4,}"
)
PREFIXES = tuple(Op)


@dataclass(frozen=True, slots=True)
class _Ranges:
    """What a hunk header states: first lines from 1, and how many lines follow."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int


def starts_file_diff(lines: Sequence[str], at: int) -> bool:
    """Tell whether a file's diff begins at this line, outside of any hunk."""
    line = lines[at]
    if line.startswith(("diff --git ", "@@")) or ORPHAN.match(line):
        return True
    following = lines[at + 1] if at + 1 < len(lines) else ""
    if line.startswith("--- "):
        return following.startswith(("+++ ", "@@"))
    return line.startswith("+++ ") and following.startswith("@@")


def read_file_diff(
    lines: Sequence[str], at: int, *, words: tuple[str, ...], fenced: bool
) -> tuple[FileDiff, int] | Rejection:
    """Return the diff of one file that begins at `at`, and the line behind it.

    `fenced` says that it stands in a code block, where all is diff up to the closing fence.
    """
    headers: list[str] = []
    names = {"--- ": "", "+++ ": ""}
    if lines[at].startswith("diff --git ") or ORPHAN.match(lines[at]):
        headers.append(lines[at])
        at += 1
    while headers and at < len(lines) and lines[at].startswith(GIT_HEADERS):
        headers.append(lines[at])
        at += 1
    for sign in names:
        if at < len(lines) and lines[at].startswith(sign):
            names[sign] = lines[at][4:]
            at += 1
    hunks = _read_hunks(lines, at, fenced=fenced, named=any(names.values()))
    if isinstance(hunks, Rejection):
        return hunks
    has_returns = all(name.endswith("\r") for name in names.values() if name)
    diff = FileDiff(
        old=names["--- "],
        new=names["+++ "],
        headers=tuple(headers),
        words=words,
        hunks=_without_returns(hunks[0]) if has_returns else hunks[0],
    )
    return diff, hunks[1]


def _without_returns(hunks: tuple[Hunk, ...]) -> tuple[Hunk, ...]:
    """Return hunks that came in CRLF, as their headers did, in the line endings of their text."""
    if not all(line.text.endswith("\r") for hunk in hunks for line in hunk.lines):
        return hunks
    return tuple(
        replace(hunk, lines=tuple(replace(line, text=line.text[:-1]) for line in hunk.lines))
        for hunk in hunks
    )


def _read_hunks(
    lines: Sequence[str], at: int, *, fenced: bool, named: bool
) -> tuple[tuple[Hunk, ...], int] | Rejection:
    hunks: list[Hunk] = []
    while True:
        at = _skip_to_hunk(lines, at)
        header = lines[at] if at < len(lines) else ""
        if header.startswith("@@@"):
            return Rejection(
                Reason.NO_PATCH,
                f"{shorten(header)!r} heads a combined diff of a merge: write a plain one",
            )
        if header.startswith("@@"):
            hunk = _read_hunk(lines, at + 1, _ranges(header), fenced=fenced)
        elif named and not hunks:  # its @@ line is missing
            hunk = _read_hunk(lines, at, None, fenced=fenced)
        else:
            return tuple(hunks), at
        if isinstance(hunk, Rejection):
            return hunk
        if not hunk[0].lines and not header.startswith("@@"):
            return (), at
        hunks.append(hunk[0])
        at = hunk[1]


def _skip_to_hunk(lines: Sequence[str], at: int) -> int:
    """Step over blank lines if a hunk header follows them."""
    start = at
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at if at < len(lines) and lines[at].startswith("@@") else start


def _ranges(header: str) -> _Ranges | None:
    found = RANGES.match(header)
    if found is None:
        return None
    old_start, old_count, new_start, new_count = found.groups("1")
    return _Ranges(int(old_start), int(old_count), int(new_start), int(new_count))


def _read_hunk(
    lines: Sequence[str], at: int, ranges: _Ranges | None, *, fenced: bool
) -> tuple[Hunk, int] | Rejection:
    for blank in (Op.CONTEXT, Op.ADDED):  # an empty line may have lost its space, or else its `+`
        end = _end_by_counts(lines, at, ranges, blank) if ranges else None
        if ranges is None or end is None or not _is_all(lines, end, fenced=fenced):
            continue
        body = lines[at:end]
        trimmed = _trimmed(body)
        found = _body_lines(trimmed, blank)
        if len(trimmed) < len(body):  # counted lines that may not be the hunk's
            return Hunk(lines=found), end
        return Hunk(lines=found, old_start=ranges.old_start, new_start=ranges.new_start), end
    end = _next_boundary(lines, at)
    if fenced and _goes_on_behind_fence(lines, end):
        return Rejection(
            Reason.NO_PATCH,
            f"the code block closes within a hunk (before {shorten(lines[end + 1])!r}), or the "
            "hunk holds a line ``` without its leading space: write context lines with a leading "
            "space and right counts in the @@ line, and nothing that looks like a diff behind it",
        )
    body = signs_before_numbers(lines[at:end])
    return Hunk(lines=_body_lines(_trimmed(body if fenced else _without_prose(body)))), end


def _end_by_counts(lines: Sequence[str], at: int, ranges: _Ranges, blank: Op) -> int | None:
    """Return where a hunk ends by its header's counts, or None where its body denies them.

    An empty line counts as `blank`.
    """
    old, new = ranges.old_count, ranges.new_count
    while old > 0 or new > 0:
        sign = (lines[at][:1] or blank) if at < len(lines) else ""
        if sign == "\\":
            at += 1
            continue
        if sign == "" or sign not in PREFIXES:
            return None
        old -= sign != Op.ADDED
        new -= sign != Op.REMOVED
        at += 1
    if at < len(lines) and lines[at].startswith("\\ "):
        at += 1
    return at if old == new == 0 else None


def _is_all(lines: Sequence[str], end: int, *, fenced: bool) -> bool:
    """Tell whether nothing between the counted end and the next boundary can belong to a hunk."""
    rest = [line for line in lines[end : _next_boundary(lines, end)] if line.strip()]
    if not rest:
        return True
    if fenced or (rest[0] != "-- " and rest[0].startswith((*PREFIXES, "\t"))):
        return False
    return not any(_is_change(line) for line in rest)


def _is_change(line: str) -> bool:
    return line.startswith((Op.ADDED, Op.REMOVED)) and not BULLET.match(line)


def _next_boundary(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and not _is_boundary(lines, at):
        at += 1
    return at


def _is_boundary(lines: Sequence[str], at: int) -> bool:
    """Tell whether a line that stands where a hunk's could is certainly none."""
    line = lines[at]
    if line.startswith(("@@", "diff --git ", "<<<<<<< ")) or FENCE.match(line):
        return True
    if line.startswith(("--- ", "+++ ")) and _is_lone_header(lines, at):
        return True
    if not line.startswith("--- "):
        return False
    pair = lines[at : at + 3]
    if len(pair) == 1 or not pair[1].startswith("+++ "):
        return False
    # a removed `-- x` above an added `++ y` looks the same, but seldom names two files
    return (len(pair) > 2 and pair[2].startswith("@@")) or all(
        " " not in name.strip() and ("." in name or "/" in name) for name in (line[4:], pair[1][4:])
    )


def _is_lone_header(lines: Sequence[str], at: int) -> bool:
    """Tell whether a line names a file without its other half: a path, and an @@ line below it."""
    name = lines[at][4:].strip()
    is_path = " " not in name and ("." in name or "/" in name)
    return is_path and at + 1 < len(lines) and lines[at + 1].startswith("@@")


def _goes_on_behind_fence(lines: Sequence[str], fence: int) -> bool:
    """Tell whether changes follow the line that looks like the end of the code block."""
    if fence >= len(lines) or not FENCE.match(lines[fence]):
        return False
    for at in range(fence + 1, len(lines)):
        if starts_file_diff(lines, at) or lines[at].startswith("<<<<<<< "):
            return lines[at].startswith("@@") and at == fence + 1
        if _is_change(lines[at]):
            return True
    return False


def _without_prose(body: Sequence[str]) -> Sequence[str]:
    """Return the body without unprefixed lines at its end: text that follows a bare diff."""
    end = len(body)
    while end and not body[end - 1].startswith((*PREFIXES, "\\")):
        end -= 1
    return body[:end]


def _trimmed(body: Sequence[str]) -> Sequence[str]:
    """Return the body without empty lines around it, which may be stripped context or nothing."""
    start, end = 0, len(body)
    while start < end and not body[start]:
        start += 1
    while end > start and not body[end - 1]:
        end -= 1
    return body[start:end]


def _body_lines(body: Sequence[str], blank: Op = Op.CONTEXT) -> tuple[Line, ...]:
    """Return the lines of a hunk; one without a prefix is context that lacks its space.

    An empty one is `blank`.
    """
    found: list[Line] = []
    for raw in body:
        if raw.startswith("\\ "):
            if found:
                found[-1] = Line(found[-1].op, found[-1].text, ends_file=True)
        elif raw[:1] in PREFIXES and raw:
            found.append(Line(Op(raw[0]), raw[1:]))
        else:
            found.append(Line(Op.CONTEXT if raw else blank, raw))
    return tuple(found)
