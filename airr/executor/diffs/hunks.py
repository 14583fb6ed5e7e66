"""The text of a file and its hunks -> the patched text, or why they do not apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airr.executor.diffs.edits import Hunk, Line, Op
from airr.executor.diffs.elisions import elision_added
from airr.executor.diffs.fitting import (
    Fitted,
    fit,
    mixes_in_tabs,
    shown_about_tabs,
    unclear_indentation,
)
from airr.executor.diffs.gates import compile_error
from airr.executor.diffs.numbering import has_numbers, without_numbers
from airr.executor.diffs.placement import Placed, place_hunks
from airr.executor.diffs.rejection import Rejection, shorten
from airr.records import Reason


@dataclass(frozen=True, slots=True)
class _Changes:
    """Which hunk removes or keeps each line, and which adds what before it; indices from 0."""

    removed: dict[int, int] = field(default_factory=dict[int, int])
    kept: dict[int, int] = field(default_factory=dict[int, int])
    added: dict[int, tuple[int, list[Line]]] = field(
        default_factory=dict[int, tuple[int, list[Line]]]
    )


def patched_text(
    text: str, hunks: Sequence[Hunk], path: str, *, trust_lines: bool
) -> str | Rejection:
    """Return the text with all hunks applied; each must match the text as it is now.

    `path` names the file in error texts; `trust_lines` as in `place_hunks`.
    """
    lines = _lines(text)
    placed = _placed(hunks, lines, path, trust_lines=trust_lines)
    if isinstance(placed, Rejection):
        return placed
    fitted: list[Fitted] = []
    tabs = shown_about_tabs(placed, lines)
    for number, one in enumerate(placed, start=1):
        found = fit(one, lines, _where(path, number, hunks), tabs)
        if isinstance(found, Rejection):
            return found
        fitted.append(found)
    if path.endswith(".py") and (mixed := mixes_in_tabs(fitted, lines)) is not None:
        return Rejection(
            Reason.NO_PATCH,
            f"{path}: the file is indented with spaces, but {shorten(mixed.strip())!r} is to be "
            "added with a tab: indent as the file does",
        )
    newline = text.endswith("\n") or not text
    patched = _patch(placed, [one.lines for one in fitted], lines, path, newline=newline)
    doubtful = next((number for number, one in enumerate(fitted) if one.is_doubtful), None)
    if doubtful is None or isinstance(patched, Rejection):
        return patched
    other = _patch(placed, [one.as_written for one in fitted], lines, path, newline=newline)
    if path.endswith(".py") and isinstance(other, str) and compile_error(path, other):
        return patched  # what the other reading gives is no Python
    return unclear_indentation(_where(path, doubtful + 1, hunks), placed[doubtful].at)


def places_changed(text: str, hunks: Sequence[Hunk], path: str) -> frozenset[tuple[Op, int]]:
    """Return what the hunks would change of a text: lines removed, and places to add at.

    Lines count from 0. Empty where the hunks do not match this text.
    """
    placed = _placed(hunks, _lines(text), path, trust_lines=True)
    if isinstance(placed, Rejection):
        return frozenset()
    found: set[tuple[Op, int]] = set()
    for one in placed:
        at = one.at
        for line in one.hunk.lines:
            if line.op is not Op.CONTEXT:
                found.add((line.op, at))
            at += line.op is not Op.ADDED
    return frozenset(found)


def _placed(
    hunks: Sequence[Hunk], lines: Sequence[str], path: str, *, trust_lines: bool
) -> list[Placed] | Rejection:
    clean = _clean_hunks(hunks, lines, path)
    if isinstance(clean, Rejection):
        return clean
    return place_hunks(clean, lines, path, trust_lines=trust_lines)


def _patch(
    placed: Sequence[Placed],
    added: Sequence[Sequence[Line]],
    lines: Sequence[str],
    path: str,
    *,
    newline: bool,
) -> str | Rejection:
    """Return the lines with all hunks carried out, `added` being the lines that each one adds."""
    changes = _Changes()
    for number, (one, new) in enumerate(zip(placed, added, strict=True), start=1):
        if (other := _record(changes, one, new, number)) is not None:
            return Rejection(
                Reason.NO_PATCH,
                f"{path}: hunks {other} and {number} change the same lines: make them one hunk",
            )
    says_where_it_ends = any(line.ends_file for one in placed for line in one.hunk.lines)
    return _text_after(changes, lines, newline=newline, keeps_end=not says_where_it_ends)


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def new_text(hunks: Sequence[Hunk], path: str) -> str | Rejection:
    """Return the text of a new file: one hunk of added lines, or none for an empty file."""
    if not hunks:
        return ""
    clean = _clean_hunks(hunks, [], path)
    if isinstance(clean, Rejection):
        return clean
    if len(clean) > 1:
        return Rejection(Reason.NO_PATCH, f"{path}: a new file is written as one hunk")
    lines = clean[0].lines
    # an empty line among added ones lost its `+` to whoever strips white space
    unmarked = next((line for line in lines if line.op is not Op.ADDED and line.text), None)
    if unmarked is not None:
        return Rejection(
            Reason.NO_PATCH,
            f"{path}: every line of a new file begins with `+`; this one does not: "
            f"{shorten(unmarked.text)!r}",
        )
    return "\n".join(line.text for line in lines) + ("" if lines[-1].ends_file else "\n")


def _clean_hunks(hunks: Sequence[Hunk], lines: Sequence[str], path: str) -> list[Hunk] | Rejection:
    """Return the hunks without copied line numbers; refuse what is no honest hunk."""
    clean: list[Hunk] = []
    for number, hunk in enumerate(hunks, start=1):
        where = _where(path, number, hunks)
        if not hunk.changes:
            return Rejection(
                Reason.EMPTY_PATCH,
                f"{where}: it changes nothing: begin lines to remove with `-`, to add with `+`",
            )
        bare = without_numbers(hunk, where)
        if bare is not hunk and has_numbers(lines):  # then they are the file's own
            bare = hunk
        if isinstance(bare, Rejection):
            return bare
        if (elided := elision_added(bare, lines)) is not None:
            return Rejection(
                Reason.NO_PATCH,
                f"{where}: it adds {shorten(elided.strip())!r}, which stands for code that is "
                "not written out. Write all of it; lines that stay are left out of the diff",
            )
        clean.append(bare)
    return clean


def _where(path: str, number: int, hunks: Sequence[Hunk]) -> str:
    return f"{path}, hunk {number} of {len(hunks)}"


def _record(changes: _Changes, placed: Placed, added: Sequence[Line], number: int) -> int | None:
    """Enter a hunk's changes; return the hunk that it contradicts, if there is one."""
    at = placed.at
    waiting = iter(added)
    for line in placed.hunk.lines:
        if line.op is Op.ADDED:
            owner, block = changes.added.setdefault(at, (number, []))
            if owner != number:
                return owner
            block.append(next(waiting))
            continue
        mine, others = changes.kept, changes.removed
        if line.op is Op.REMOVED:
            mine, others = others, changes.kept
            if mine.get(at, number) != number:
                return mine[at]
        if at in others:
            return others[at]
        mine[at] = number
        at += 1
    return None


def _text_after(changes: _Changes, lines: Sequence[str], *, newline: bool, keeps_end: bool) -> str:
    """Return the patched text; what is last decides whether a newline ends it.

    `newline` says whether one does so far; `keeps_end` that no hunk says anything about that.
    """
    after: list[str] = []
    ends, copied = True, 0
    for at in sorted({*changes.added, *changes.removed, len(lines)}):
        if copied < at:
            after += lines[copied:at]
            ends = newline or at < len(lines)
        for line in changes.added.get(at, (0, []))[1]:
            after.append(line.text)
            ends = not line.ends_file
        copied = at + (at in changes.removed)
    ends = newline if keeps_end else ends
    return "\n".join(after) + ("\n" if ends and after else "")
