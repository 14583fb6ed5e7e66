"""Two trees -> the diff between them, and its size."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from airr.executor.codebases import Tree
from airr.executor.diffs.gates import changed_paths

CONTEXT_LINES = 3
NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The size of a patch, in files and lines."""

    files: int
    added: int
    removed: int


def unified_diff(before: Tree, after: Tree) -> str:
    """Return the canonical diff between two trees, as `git apply` takes it; "" if there is none."""
    return "".join(
        _file_diff(path, before.get(path), after.get(path)) for path in changed_paths(before, after)
    )


def count_changes(before: Tree, after: Tree) -> Counts:
    """Return how many files and lines differ between two trees."""
    paths = changed_paths(before, after)
    added = removed = 0
    for path in paths:
        old, new = _lines(before.get(path, "")), _lines(after.get(path, ""))
        for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new).get_opcodes():
            if tag != "equal":
                removed += i2 - i1
                added += j2 - j1
    return Counts(files=len(paths), added=added, removed=removed)


def _file_diff(path: str, old: str | None, new: str | None) -> str:
    headers = [f"diff --git a/{path} b/{path}"]
    if old is None:
        headers.append("new file mode 100644")
    if new is None:
        headers.append("deleted file mode 100644")
    hunks = difflib.unified_diff(
        _lines(old or ""),
        _lines(new or ""),
        fromfile="/dev/null" if old is None else f"a/{path}",
        tofile="/dev/null" if new is None else f"b/{path}",
        n=CONTEXT_LINES,
        lineterm="\n",
    )
    body = [line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}\n" for line in hunks]
    return "".join(f"{header}\n" for header in headers) + "".join(body)


def _lines(text: str) -> list[str]:
    """Return lines with their newlines; other line separators are text, as they are to git."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
