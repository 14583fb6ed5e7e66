"""What an answer asks for: the edits as they were written, not yet applied to anything."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Op(StrEnum):
    """What a line of a hunk stands for."""

    CONTEXT = " "
    REMOVED = "-"
    ADDED = "+"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk. `ends_file` means that no newline follows it."""

    op: Op
    text: str
    ends_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Consecutive lines of a file, and what becomes of them.

    `old_start` and `new_start` are the stated line numbers, from 1; they are None unless the
    header's counts agree with the body, since a header that is wrong once proves nothing.
    """

    lines: tuple[Line, ...]
    old_start: int | None = None
    new_start: int | None = None

    @property
    def before(self) -> tuple[str, ...]:
        """Return the lines that the file must hold."""
        return tuple(line.text for line in self.lines if line.op is not Op.ADDED)

    @property
    def added(self) -> tuple[str, ...]:
        """Return the lines that the file is to gain."""
        return tuple(line.text for line in self.lines if line.op is Op.ADDED)

    @property
    def changes(self) -> bool:
        """Tell whether the hunk holds anything but context."""
        return any(line.op is not Op.CONTEXT for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """The unified diff of one file.

    `old` and `new` are what follows `---` and `+++`, "" where that line is missing; `headers`
    are the lines above them, from `diff --git` on. `words` are the lines of text above, in
    which the file may be named if no header does.
    """

    old: str
    new: str
    headers: tuple[str, ...]
    words: tuple[str, ...]
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A search/replace block. `words` are the lines of text above it, which name its file."""

    words: tuple[str, ...]
    search: tuple[str, ...]
    replace: tuple[str, ...]

    def as_hunk(self) -> Hunk:
        """Return the block as a hunk: lines that both halves begin or end with are context."""
        shortest = min(len(self.search), len(self.replace))
        head = 0
        while head < shortest and self.search[head] == self.replace[head]:
            head += 1
        tail = 0
        while tail < shortest - head and self.search[-1 - tail] == self.replace[-1 - tail]:
            tail += 1
        return Hunk(
            lines=(
                *(Line(Op.CONTEXT, text) for text in self.search[:head]),
                *(Line(Op.REMOVED, text) for text in self.search[head : len(self.search) - tail]),
                *(Line(Op.ADDED, text) for text in self.replace[head : len(self.replace) - tail]),
                *(Line(Op.CONTEXT, text) for text in self.search[len(self.search) - tail :]),
            )
        )


Edit = FileDiff | Replacement


def written_bytes(edit: Edit) -> int:
    """Return how much text the edit takes, context included."""
    if isinstance(edit, Replacement):
        texts = (*edit.search, *edit.replace)
    else:
        texts = tuple(line.text for hunk in edit.hunks for line in hunk.lines)
    return sum(len(text.encode("utf-8", "surrogatepass")) + 1 for text in texts)
