"""A tree before and after a patch -> may it be run? The gates that cost next to nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from airr.executor.codebases import Tree
from airr.executor.diffs.programs import compiled, is_same_program
from airr.executor.diffs.rejection import Rejection, quote, shorten
from airr.records import Reason

LEGAL_PART = re.compile(r"[A-Za-z0-9_.+-]+")
NO_TEXT = re.compile("[\0\ud800-\udfff]")
LONGEST_PATH = 240
KB = 1000


def check_gates(
    before: Tree, after: Tree, *, editable: Sequence[str], limit_kb: float
) -> Rejection | None:
    """Return why the patched tree may not be run, or None if it may.

    Only what a patch changed is looked at: the baseline is the environment's own. Illegal paths
    come before locked ones, since no setting can open them.
    """
    paths = changed_paths(before, after)
    if not paths:
        return Rejection(
            Reason.EMPTY_PATCH, "the patch changes nothing: the files stay as they were"
        )
    return (
        check_paths(before, after)
        or check_editable(paths, editable)
        or check_size(before, after, limit_kb)
        or check_text(before, after)
        or check_compiles(before, after)
        or check_effect(before, after)
    )


def changed_paths(before: Tree, after: Tree) -> tuple[str, ...]:
    """Return the files that were changed, added or removed, sorted."""
    both = before.keys() | after.keys()
    return tuple(sorted(path for path in both if before.get(path) != after.get(path)))


def check_editable(paths: Iterable[str], editable: Sequence[str]) -> Rejection | None:
    """Refuse paths that no glob of `editable` matches; `*` also matches `/`."""
    locked = [path for path in paths if not any(fnmatchcase(path, pattern) for pattern in editable)]
    if not locked:
        return None
    return Rejection(
        Reason.LOCKED_FILE,
        f"{', '.join(map(shorten, locked))} may not be edited. Files that may be edited: "
        f"{', '.join(editable)}. Implement the idea within those.",
    )


def check_paths(before: Tree, after: Tree) -> Rejection | None:
    """Refuse new paths that leave the tree, or that some file system takes for another one."""
    seen = {path.casefold(): path for path in before}
    for path in sorted(after.keys() - before.keys()):
        twin = seen.setdefault(path.casefold(), path)
        parents = {path[:end] for end, letter in enumerate(path) if letter == "/"}
        why = why_illegal(path)
        if why is None and twin != path:
            why = f"{twin} differs from it in case alone"
        if why is None and (files := sorted(parents & after.keys())):
            why = f"{files[0]} is a file, not a folder"
        if why is None and any(other.startswith(f"{path}/") for other in after):
            why = "a folder of that name exists"
        if why is not None:
            return illegal_path(path, why)
    return None


def why_illegal(path: str) -> str | None:
    """Return what is wrong with the path of a new file, or None: POSIX, relative, portable."""
    if len(path) > LONGEST_PATH:
        return f"it is longer than {LONGEST_PATH} characters"
    if path.startswith("/"):
        return "it is absolute; paths are relative to the codebase"
    for part in path.split("/"):
        if part in {".", ".."}:
            return "it holds a `.` or `..`; paths lie below the codebase"
        if not LEGAL_PART.fullmatch(part):
            return "it may hold letters, digits, `_`, `-`, `+`, `.` and single slashes alone"
        if part.casefold() in {".git", "__pycache__"} or part.endswith("."):
            return f"{part} is reserved"
    return None


def illegal_path(path: str, why: str) -> Rejection:
    """Return the rejection of a path."""
    return Rejection(Reason.ILLEGAL_PATH, f"path {shorten(path)!r} is not taken: {why}")


def check_size(before: Tree, after: Tree, limit_kb: float) -> Rejection | None:
    """Refuse a patch whose files grow by more than the limit, all of them together."""
    growth = {
        path: max(0, _bytes(after.get(path, "")) - _bytes(before.get(path, "")))
        for path in changed_paths(before, after)
    }
    total = sum(growth.values())
    if total <= limit_kb * KB:
        return None
    largest = max(growth, key=lambda path: growth[path])
    return Rejection(
        Reason.TOO_LARGE,
        f"the patch adds {total / KB:.1f} kB, most of it to {largest}; at most {limit_kb:g} kB "
        "may be added",
    )


def check_text(before: Tree, after: Tree) -> Rejection | None:
    """Refuse changed files that are no UTF-8 text or hold NUL."""
    for path in changed_paths(before, after):
        text = after.get(path, "")
        if NO_TEXT.search(text):
            return Rejection(
                Reason.SYNTAX,
                f"{path} would hold a NUL or a lone surrogate: files are UTF-8 text",
            )
    return None


def check_compiles(before: Tree, after: Tree) -> Rejection | None:
    """Refuse changed .py files that Python does not compile; the text names each line."""
    errors = [
        error
        for path in changed_paths(before, after)
        if path.endswith(".py") and path in after and (error := compile_error(path, after[path]))
    ]
    return Rejection(Reason.SYNTAX, "\n\n".join(errors)) if errors else None


def check_effect(before: Tree, after: Tree) -> Rejection | None:
    """Refuse a patch of comments and spacing alone: its run would be one more of the baseline.

    Asked about trees that compile.
    """
    paths = changed_paths(before, after)
    if all(
        path.endswith(".py")
        and path in before
        and path in after
        and is_same_program(before[path], after[path])
        for path in paths
    ):
        return Rejection(
            Reason.EMPTY_PATCH,
            f"the patch changes nothing but comments and spacing of {', '.join(paths)}: the "
            "program stays as it was",
        )
    return None


def compile_error(path: str, text: str) -> str | None:
    """Return why Python does not compile a file, with the lines in question; None if it does."""
    try:
        compiled(text)
    except SyntaxError as error:
        line = error.lineno or 1
        near = quote(text.split("\n"), line - 4, line + 3)
        return f"{path} as patched does not compile: {error.msg} (line {line})\n{near}"
    except (ValueError, OverflowError) as error:
        return f"{path} as patched does not compile: {shorten(str(error))}"
    except (RecursionError, MemoryError):
        return f"{path} as patched does not compile: it is nested too deeply"
    return None


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
