"""A model's answer and a tree -> the patched tree, or why there is none; and trees -> a diff.

Whatever models get wrong about diffs without leaving doubt of what they mean is mended: headers,
counts, prefixes, fences, line endings, indentation. Where there is doubt, the answer is refused
with the text that helps its author to mend it. Nothing here touches a disk.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from airr.executor.answers import edits_in
from airr.executor.codebases import Tree
from airr.executor.edits import Edit, Hunk, Replacement, written_bytes
from airr.executor.gates import KB, changed_paths, check_editable, check_gates
from airr.executor.hunks import new_text, patched_text
from airr.executor.rejection import Rejection
from airr.executor.targets import Action, Target, target_of
from airr.records import Reason

__all__ = ["Counts", "Rejection", "apply_answer", "count_changes", "unified_diff"]

CONTEXT_LINES = 3
NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The size of a patch, in files and lines."""

    files: int
    added: int
    removed: int


def apply_answer(
    answer: str, tree: Tree, *, editable: Sequence[str], limit_kb: float
) -> dict[str, str] | Rejection:
    """Return the tree with all edits of the answer applied in their order, or why it is refused.

    Takes unified diffs and search/replace blocks. `editable` are globs of paths that may change;
    `limit_kb` bounds the edits as written, and by how much the files may grow.
    """
    edits = edits_in(answer)
    if isinstance(edits, Rejection):
        return edits
    size_kb = sum(map(written_bytes, edits)) / KB
    if size_kb > limit_kb:
        return Rejection(
            Reason.TOO_LARGE, f"the patch has {size_kb:.1f} kB; it may have {limit_kb:g} kB"
        )
    after = dict(tree)
    previous: str | None = None
    for edit in edits:
        target = target_of(edit, after, previous)
        if isinstance(target, Rejection):
            return target
        # a locked file is refused before a hunk of it is found wanting: that would mislead
        refused = check_editable({target.path, target.renamed_to}, editable)
        refused = refused or _apply(edit, target, after, baseline=tree)
        if refused is not None:
            return refused
        previous = target.renamed_to
    return check_gates(tree, after, editable=editable, limit_kb=limit_kb) or after


def _apply(
    edit: Edit, target: Target, after: dict[str, str], *, baseline: Tree
) -> Rejection | None:
    """Apply one edit to `after`, or leave it as it is and say why."""
    if isinstance(edit, Replacement):
        hunks = (edit.as_hunk(),) if edit.search or edit.replace else ()
    else:
        hunks = edit.hunks
    text = _text_after(target, hunks, after, baseline)
    if isinstance(text, Rejection):
        return text
    after.pop(target.path, None)
    if target.action is not Action.DELETE:
        after[target.renamed_to] = text
    return None


def _text_after(
    target: Target, hunks: Sequence[Hunk], after: Tree, baseline: Tree
) -> str | Rejection:
    """Return what the target's text becomes; "" for a file that is deleted."""
    path = target.path
    if target.action is Action.CREATE:
        return new_text(hunks, path)
    if not hunks:
        if target.action is Action.CHANGE:
            return Rejection(Reason.NO_PATCH, f"{path} is named, but no changes to it follow")
        return "" if target.action is Action.DELETE else after[path]
    untouched = after[path] is baseline.get(path)
    text = patched_text(after[path], hunks, path, trust_lines=untouched)
    if target.action is Action.DELETE and isinstance(text, str) and text:
        return Rejection(
            Reason.NO_PATCH,
            f"{path} is to be deleted, but its hunks leave lines of it: remove all of them, or "
            "write `deleted file mode 100644` and no hunks",
        )
    return text


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
