"""A model's answer and a tree -> the patched tree, or why there is none.

Whatever models get wrong about diffs without leaving doubt of what they mean is mended: headers,
counts, prefixes, fences, line endings, indentation. Where there is doubt, the answer is refused
with the text that helps its author to mend it. Nothing here touches a disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from airr.executor.codebases import Tree
from airr.executor.diffs.answers import edits_in
from airr.executor.diffs.edits import Edit, Hunk, Replacement, written_bytes
from airr.executor.diffs.gates import KB, check_editable, check_gates
from airr.executor.diffs.hunks import new_text, patched_text
from airr.executor.diffs.rejection import Rejection
from airr.executor.diffs.targets import Action, Target, target_of
from airr.records import Reason


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
