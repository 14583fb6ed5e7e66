"""A model's answer and a tree -> the patched tree, or why there is none.

Whatever models get wrong about diffs without leaving doubt of what they mean is mended: headers,
counts, prefixes, fences, line endings, indentation. Where there is doubt, the answer is refused
with the text that helps its author to mend it. Nothing here touches a disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from airr.executor.codebases import Tree
from airr.executor.diffs.answers import edits_in
from airr.executor.diffs.edits import Edit, Hunk, Op, Replacement, written_bytes
from airr.executor.diffs.gates import KB, check_editable, check_gates
from airr.executor.diffs.hunks import new_text, patched_text, places_changed
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
    taken: dict[tuple[str, Op, int], int] = {}
    for number, edit in enumerate(edits, start=1):
        target = target_of(edit, after, previous)
        if isinstance(target, Rejection):
            return target
        # a locked file is refused before a hunk of it is found wanting: that would mislead
        refused = check_editable({target.path, target.renamed_to}, editable)
        if len(edits) > 1:
            refused = refused or _contradiction(number, edit, target, tree, taken)
        refused = refused or _apply(edit, target, after, baseline=tree)
        if refused is not None:
            return refused
        previous = target.renamed_to
    return check_gates(tree, after, editable=editable, limit_kb=limit_kb) or after


def _contradiction(
    number: int, edit: Edit, target: Target, baseline: Tree, taken: dict[tuple[str, Op, int], int]
) -> Rejection | None:
    """Refuse an edit of lines that an earlier one changed, if it is not one of the result.

    Two such edits are drafts of one another, or alternatives. `taken` gains what this one changes.
    """
    if target.action is not Action.CHANGE or target.path not in baseline:
        return None
    places = places_changed(baseline[target.path], _hunks(edit), target.path)
    for op, at in sorted(places):
        owner = taken.setdefault((target.path, op, at), number)
        if owner != number:
            return Rejection(
                Reason.NO_PATCH,
                f"{target.path}: changes {owner} and {number} of the answer both change the "
                f"original at line {at + 1}, so they seem to be drafts of one another: write "
                "each change once",
            )
    return None


def _hunks(edit: Edit) -> Sequence[Hunk]:
    if isinstance(edit, Replacement):
        return (edit.as_hunk(),) if edit.search or edit.replace else ()
    return edit.hunks


def _apply(
    edit: Edit, target: Target, after: dict[str, str], *, baseline: Tree
) -> Rejection | None:
    """Apply one edit to `after`, or leave it as it is and say why."""
    text = _text_after(target, _hunks(edit), after, baseline)
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
