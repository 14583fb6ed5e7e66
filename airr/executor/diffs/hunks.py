"""The text of a file and its hunks -> the patched text, or why they do not apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from airr.executor.diffs.edits import Hunk, Line, Op
from airr.executor.diffs.elisions import elision_added
from airr.executor.diffs.indentation import Shift, indent_of, shift_between
from airr.executor.diffs.numbering import has_numbers, without_numbers
from airr.executor.diffs.placement import Grade, Placed, place_hunks
from airr.executor.diffs.rejection import Rejection, shorten
from airr.records import Reason


@dataclass(frozen=True, slots=True)
class _Changes:
    """Which hunk removes each line, and which adds what before it; lines by index from 0."""

    removed: dict[int, int] = field(default_factory=dict[int, int])
    added: dict[int, tuple[int, list[Line]]] = field(
        default_factory=dict[int, tuple[int, list[Line]]]
    )


def patched_text(
    text: str, hunks: Sequence[Hunk], path: str, *, trust_lines: bool
) -> str | Rejection:
    """Return the text with all hunks applied; each must match the text as it is now.

    `path` names the file in error texts; `trust_lines` as in `place_hunks`.
    """
    lines = text.removesuffix("\n").split("\n") if text else []
    clean = _clean_hunks(hunks, lines, path)
    if isinstance(clean, Rejection):
        return clean
    placed = place_hunks(clean, lines, path, trust_lines=trust_lines)
    if isinstance(placed, Rejection):
        return placed
    changes = _Changes()
    for number, one in enumerate(placed, start=1):
        added = _added_as_the_file_would(one, lines, _where(path, number, hunks))
        if isinstance(added, Rejection):
            return added
        if (other := _record(changes, one, added, number)) is not None:
            return Rejection(
                Reason.NO_PATCH,
                f"{path}: hunks {other} and {number} change the same lines: make them one hunk",
            )
    return _text_after(changes, lines, ends_in_newline=text.endswith("\n"))


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
    known = {line.strip() for line in lines}
    numbered = has_numbers(lines)
    for number, hunk in enumerate(hunks, start=1):
        where = _where(path, number, hunks)
        if not hunk.changes:
            return Rejection(
                Reason.EMPTY_PATCH,
                f"{where}: it changes nothing: begin lines to remove with `-`, to add with `+`",
            )
        bare = hunk if numbered else without_numbers(hunk, where)
        if isinstance(bare, Rejection):
            return bare
        if (elided := elision_added(bare, known)) is not None:
            return Rejection(
                Reason.NO_PATCH,
                f"{where}: it adds {shorten(elided.strip())!r}, which stands for code that is "
                "not written out. Write all of it; lines that stay are left out of the diff",
            )
        clean.append(bare)
    return clean


def _where(path: str, number: int, hunks: Sequence[Hunk]) -> str:
    return f"{path}, hunk {number} of {len(hunks)}"


def _added_as_the_file_would(
    placed: Placed, lines: Sequence[str], where: str
) -> list[Line] | Rejection:
    """Return the added lines in the indentation and line endings of the place they go to."""
    added = [line for line in placed.hunk.lines if line.op is Op.ADDED]
    if placed.grade is Grade.EXACT or not added:
        return added
    expected = [line for line in placed.hunk.lines if line.op is not Op.ADDED]
    known = lines[placed.at : placed.at + len(expected)]
    shift = _shift(expected, known) if placed.grade is Grade.SPACING else _unshifted
    own = {line.text: theirs for line, theirs in zip(expected, known, strict=True)}
    ending = "\r" if 2 * sum(line.endswith("\r") for line in known) > len(known) else ""
    fitted = [_fitted(line, shift, own, ending) for line in added] if shift else [None]
    if None in fitted:
        return Rejection(
            Reason.NO_PATCH,
            f"{where}: it matches at line {placed.at + 1} only if indentation is ignored, and "
            "its lines are not all shifted alike, so how the added lines should be indented is "
            "not clear. Copy context and removed lines with their exact indentation",
        )
    return [line for line in fitted if line is not None]


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
        if line.op is Op.REMOVED:
            owner = changes.removed.setdefault(at, number)
            if owner != number:
                return owner
        at += 1
    return None


def _text_after(changes: _Changes, lines: Sequence[str], *, ends_in_newline: bool) -> str:
    """Return the patched text; what is last decides whether a newline ends it."""
    after: list[str] = []
    newline = True
    for at in range(len(lines) + 1):
        for line in changes.added.get(at, (0, []))[1]:
            after.append(line.text)
            newline = not line.ends_file
        if at < len(lines) and at not in changes.removed:
            after.append(lines[at])
            newline = ends_in_newline or at < len(lines) - 1
    return "\n".join(after) + ("\n" if newline and after else "")
