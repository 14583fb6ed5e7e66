"""Four ways from an answer to a patched tree; each returns None where it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, PatchSet

from airr.executor.diffs import Rejection, apply_answer
from benchmarks.corpus import Tree, run, tree_in, write_tree

FENCED = re.compile(r"^ *```(?:diff|patch)\r?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def airr(answer: str, before: Tree) -> Tree | None:
    found = apply_answer(answer, before, editable=("*",), limit_kb=1000)
    return None if isinstance(found, Rejection) else found


def patch(answer: str, before: Tree) -> Tree | None:
    """GNU patch with its default fuzz, as -p1 and then as -p0."""
    options = ["--batch", "--forward", "--no-backup-if-mismatch", "--reject-file=-", "--quiet"]
    return _with_tool([["patch", f"-p{strip}", *options] for strip in (1, 0)], answer, before)


def git_apply(answer: str, before: Tree) -> Tree | None:
    """`git apply --recount`, as -p1 and then as -p0."""
    options = ["--recount", "--whitespace=nowarn", "-"]
    return _with_tool(
        [["git", "apply", f"-p{strip}", *options] for strip in (1, 0)], answer, before
    )


def with_unidiff(answer: str, before: Tree) -> Tree | None:
    """Parsed by unidiff; each hunk goes where its header says if all lines stand there."""
    try:
        files = PatchSet(extracted(answer))
    except (UnidiffParseError, ValueError, IndexError):
        return None
    after = dict(before)
    for file in files:
        source = file.source_file.removeprefix("a/")
        text = "" if file.is_added_file else after.pop(source, None)
        target = file.target_file.removeprefix("b/")
        changes = len(file) or file.is_rename or file.is_added_file or file.is_removed_file
        if text is None or target in after or not changes:
            return None
        lines = text.splitlines(keepends=True)
        for hunk in reversed(file):
            start = max(hunk.source_start - 1, 0)
            old, new = _sides(hunk)
            if lines[start : start + len(old)] != old:
                return None
            lines[start : start + len(old)] = new
        if not file.is_removed_file:
            after[target] = "".join(lines)
    return after if len(files) else None


def _sides(hunk: Hunk) -> tuple[list[str], list[str]]:
    """Return the lines of a hunk before and after, with their newlines."""
    old: list[str] = []
    new: list[str] = []
    last: list[list[str]] = []
    for line in hunk:
        if line.line_type == "\\":  # no newline at the end of the file
            for side in last:
                side[-1] = side[-1].removesuffix("\n")
            continue
        last = [*([] if line.is_added else [old]), *([] if line.is_removed else [new])]
        for side in last:
            side.append(line.value)
    return old, new


APPLIERS: dict[str, Callable[[str, Tree], Tree | None]] = {
    "airr": airr,
    "patch": patch,
    "git apply": git_apply,
    "unidiff": with_unidiff,
}


def extracted(answer: str) -> str:
    """Return the diffs of an answer: its ```diff blocks, or all of it where it has none."""
    return "".join(FENCED.findall(answer)) or answer


def _with_tool(commands: list[list[str]], answer: str, before: Tree) -> Tree | None:
    """Return the tree that the first command to succeed makes."""
    for command in commands:
        with TemporaryDirectory() as folder:
            write_tree(before, Path(folder))
            if run(command, extracted(answer), Path(folder)):
                return tree_in(Path(folder))
    return None
