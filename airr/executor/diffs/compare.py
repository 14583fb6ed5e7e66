"""Two trees -> the diff between them, and its size."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass

from airr.executor.codebases import Tree
from airr.executor.diffs.gates import changed_paths

CONTEXT_LINES = 3
FROM_AND_TO = 2
"""Lines of a file's diff before its first hunk: --- and +++."""
NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The canonical diff between two trees, and its size in files and lines."""

    diff: str
    files: int
    added: int
    removed: int


def unified_diff(before: Tree, after: Tree) -> str:
    """Return the canonical diff between two trees, as `git apply` takes it; "" if there is none."""
    return change_between(before, after).diff


def change_between(before: Tree, after: Tree) -> Change:
    """Return what differs between two trees."""
    paths = changed_paths(before, after)
    diff: list[str] = []
    signs: Counter[str] = Counter()
    for path in paths:
        headers, body = _file_diff(path, before.get(path), after.get(path))
        diff += [*headers, *body]
        signs.update(line[0] for line in body[FROM_AND_TO:])
    return Change(diff="".join(diff), files=len(paths), added=signs["+"], removed=signs["-"])


def _file_diff(path: str, old: str | None, new: str | None) -> tuple[list[str], list[str]]:
    """Return git's lines about a file, and those of the diff itself."""
    headers = [f"diff --git a/{path} b/{path}\n"]
    if old is None:
        headers.append("new file mode 100644\n")
    if new is None:
        headers.append("deleted file mode 100644\n")
    hunks = difflib.unified_diff(
        _lines(old or ""),
        _lines(new or ""),
        fromfile="/dev/null" if old is None else f"a/{path}",
        tofile="/dev/null" if new is None else f"b/{path}",
        n=CONTEXT_LINES,
        lineterm="\n",
    )
    body = [line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}\n" for line in hunks]
    return headers, body


def _lines(text: str) -> list[str]:
    """Return lines with their newlines; other line separators are text, as they are to git."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
