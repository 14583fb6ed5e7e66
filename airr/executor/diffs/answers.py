"""A model's answer -> the edits that it asks for, in order, whatever stands around them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from airr.executor.diffs.alternatives import second_thought
from airr.executor.diffs.edits import Edit, FileDiff, Replacement
from airr.executor.diffs.rejection import Rejection, shorten
from airr.executor.diffs.unified import read_file_diff, starts_file_diff
from airr.records import Reason

LONGEST_ANSWER = 1_000_000
FENCE = re.compile(r"( {0,12})(`{3,}|~{3,})([^`]*)$")
SEARCH = re.compile(r"<{5,9} ?(?:SEARCH|ORIGINAL|HEAD|OLD)\b(.*)$")
DIVIDER = re.compile(r"={5,9}\s*$")
REPLACE = re.compile(r">{5,9}(?!>)")
DIFF_LANGUAGES = frozenset({"diff", "patch", "udiff"})
OTHER_FORMATS = ("*** Update File:", "*** Add File:", "*** Delete File:", "*** Move to:")
WORDS_KEPT = 20
LONGEST_WORDS = 300

FORMAT_HINT = (
    "answer with a unified diff (--- a/path, +++ b/path, @@ hunks) in a ```diff block, or with "
    "<<<<<<< SEARCH / ======= / >>>>>>> REPLACE blocks below the path of their file"
)


@dataclass(frozen=True, slots=True)
class _Fence:
    """An open code block: what closes it, whether it claims to be a diff, edits before it."""

    mark: str
    opened_at: int
    is_diff: bool
    edits_before: int

    def is_closed_by(self, found: re.Match[str]) -> bool:
        """Tell whether this fence ends the block (CommonMark: same character, no shorter)."""
        return found[2].startswith(self.mark) and not found[3].strip()


@dataclass(slots=True)
class _Reader:
    """Goes through an answer once."""

    lines: list[str]
    at: int = 0
    fence: _Fence | None = None
    words: list[str] = field(default_factory=list[str])
    edits: list[Edit] = field(default_factory=list[Edit])

    def read(self) -> tuple[Edit, ...] | Rejection:
        """Return every edit, or why the answer cannot be understood."""
        while self.at < len(self.lines):
            if (rejection := self._step()) is not None:
                return rejection
        if self.fence and len(self.edits) > self.fence.edits_before:
            return Rejection(
                Reason.NO_PATCH,
                "the answer ends within a code block, so it was cut off, or the closing line of "
                "the block is missing: write all of it and close the block",
            )
        return self._close_fence() or tuple(self.edits)

    def _step(self) -> Rejection | None:
        line = self.lines[self.at]
        if starts_file_diff(self.lines, self.at):
            return self._read_file_diff()
        if SEARCH.match(line):
            return self._read_replacement()
        if line.startswith(OTHER_FORMATS):
            return Rejection(
                Reason.NO_PATCH, f"{shorten(line)!r} is of another format: {FORMAT_HINT}"
            )
        self.at += 1
        if found := FENCE.match(line):
            return self._fence(found)
        if line.strip():
            self.words.append(line[:LONGEST_WORDS])
        return None

    def _fence(self, found: re.Match[str]) -> Rejection | None:
        if self.fence and self.fence.is_closed_by(found):
            return self._close_fence()
        rejection = self._close_fence()  # one that was never closed
        language = found[3].strip().lower().partition(" ")[0]
        self.fence = _Fence(found[2], self.at, language in DIFF_LANGUAGES, len(self.edits))
        if found[1]:
            self._dedent(len(found[1]), self.fence)
        if found[3].strip():
            self.words.append(found[3][:LONGEST_WORDS])
        return rejection

    def _dedent(self, indent: int, fence: _Fence) -> None:
        """Shift a code block that stands in a list item to the left margin."""
        for end in range(self.at, len(self.lines)):
            found = FENCE.match(self.lines[end])
            if found and not fence.is_closed_by(found):
                return  # the block is not closed: leave it as it is
            if found:
                block = self.lines[self.at : end + 1]
                if all(not line.strip() or line[:indent].isspace() for line in block):
                    self.lines[self.at : end + 1] = [line[indent:] for line in block]
                return

    def _close_fence(self) -> Rejection | None:
        """End a code block; one that claims to be a diff must have held an edit."""
        fence, self.fence = self.fence, None
        if fence is None or not fence.is_diff or len(self.edits) > fence.edits_before:
            return None
        block = self.lines[fence.opened_at : self.at]
        if not any(line.startswith(("+", "-")) for line in block):
            return None
        return Rejection(
            Reason.NO_PATCH,
            f"the diff block that begins with {shorten(block[0])!r} has neither --- and +++ "
            f"lines nor an @@ line, so its file and place are unknown: {FORMAT_HINT}",
        )

    def _read_file_diff(self) -> Rejection | None:
        found = read_file_diff(
            self.lines,
            self.at,
            words=tuple(self.words[-WORDS_KEPT:]),
            fenced=self.fence is not None,
        )
        if isinstance(found, Rejection):
            return found
        diff, self.at = found
        return self._add(diff)

    def _read_replacement(self) -> Rejection | None:
        opening = SEARCH.match(self.lines[self.at])
        words = (*self.words[-WORDS_KEPT:], opening[1] if opening else "")
        first = self.at + 1
        divider = end = None
        for at in range(first, len(self.lines)):
            line = self.lines[at]
            if SEARCH.match(line) or (divider is not None and DIVIDER.match(line)):
                return _unclear_block(line)
            if DIVIDER.match(line):
                divider = at
            elif divider is not None and REPLACE.match(line):
                end = at
                break
        if divider is None or end is None:
            return _unclear_block("the end of the answer")
        self.at = end + 1
        search, replace = self.lines[first:divider], self.lines[divider + 1 : end]
        return self._add(Replacement(words=words, search=tuple(search), replace=tuple(replace)))

    def _add(self, edit: Edit) -> Rejection | None:
        self.words = []
        self.edits.append(edit)
        return None


def edits_in(answer: str) -> tuple[Edit, ...] | Rejection:
    """Return the edits of an answer in their order; at least one, or the reason why not."""
    if len(answer) > LONGEST_ANSWER:
        return Rejection(
            Reason.TOO_LARGE,
            f"the answer has {len(answer):,} characters; {LONGEST_ANSWER:,} are read at most",
        )
    edits = _Reader(lines=_lines(answer)).read()
    if isinstance(edits, Rejection):
        return edits
    if not edits:
        return Rejection(Reason.NO_PATCH, f"the answer holds no diff: {FORMAT_HINT}")
    return _without_echo(edits)


def _lines(answer: str) -> list[str]:
    """Return the lines of an answer; CRLF is taken for its transport if every line has it."""
    lines = answer.split("\n")
    if len(lines) > 1 and all(line.endswith("\r") for line in lines[:-1]):
        return [line.removesuffix("\r") for line in lines]
    return lines


def _without_echo(edits: tuple[Edit, ...]) -> tuple[Edit, ...] | Rejection:
    """Refuse an answer that says an edit twice or in two ways: it cannot mean to have both."""
    seen: set[object] = set()
    for edit in edits:
        what = (
            (edit.old, edit.new, edit.headers, edit.hunks)
            if isinstance(edit, FileDiff)
            else (edit.words[-1:], edit.search, edit.replace)
        )
        if what in seen:
            name = edit.new if isinstance(edit, FileDiff) else " ".join(edit.words[-2:])
            return Rejection(
                Reason.NO_PATCH,
                f"the answer holds the same change twice ({shorten(name.strip())}): write each "
                "change once, and no drafts",
            )
        seen.add(what)
    if (line := second_thought(edits)) is not None:
        return Rejection(
            Reason.NO_PATCH,
            f"the answer seems to hold alternatives or drafts ({shorten(line.strip())!r} stands "
            "above a later diff): decide for one, and write it alone",
        )
    return edits


def _unclear_block(line: str) -> Rejection:
    return Rejection(
        Reason.NO_PATCH,
        f"a search/replace block is not closed, or holds {shorten(line)!r} among its lines: each "
        "block is `<<<<<<< SEARCH`, lines, `=======`, lines, `>>>>>>> REPLACE`",
    )
