"""An edit -> the file of the tree that it means, and what is to become of that file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airr.executor.codebases import Tree
from airr.executor.diffs.edits import Edit, FileDiff, Hunk, Op, Replacement
from airr.executor.diffs.gates import LONGEST_PATH, illegal_path, why_illegal
from airr.executor.diffs.rejection import Rejection, shorten
from airr.executor.diffs.unified import GIT_HEADERS
from airr.records import Reason

NOWHERE = "/dev/null"
STAMP = re.compile(r"[ \t]+(\d{4}-\d\d-\d\d\b.*|\([a-z ]*\))$")
DECORATION = " \t\r`\"'*#:()[]{},;<>"
WORD = re.compile(r"[^\s`\"'*#:()\[\]{},;<>]+")
LONE_PATH = re.compile(r"\S*[\w-]\.\w{1,8}|\S*[\w.-]/[\w.-]+")
MODE = "100644"


class Action(StrEnum):
    """What an edit does to a file."""

    CHANGE = "change"
    CREATE = "create"
    DELETE = "delete"
    RENAME = "rename"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The file that an edit acts on; `renamed_to` is its path afterwards, mostly the same."""

    action: Action
    path: str
    renamed_to: str


def target_of(edit: Edit, tree: Tree, previous: str | None) -> Target | Rejection:
    """Return what an edit acts on; `previous` is the file of the edit before it."""
    if isinstance(edit, Replacement):
        return _target_of_replacement(edit, tree, previous)
    headers = _headers(edit)
    if (rejection := _refused_header(edit, headers)) is not None:
        return rejection
    if "rename from " in headers or "rename to " in headers:
        return _rename(headers, tree)
    names = _names(edit, tree)
    if isinstance(names, Rejection):
        return names
    old, new = names
    if not old and not new:
        named = _named_in(edit.words, tree) or previous
        return _change(named, tree) if isinstance(named, str) else named or _UNNAMED
    if new == NOWHERE or "deleted file mode " in headers:
        return _delete(old if old not in {"", NOWHERE} else new, tree)
    if old == NOWHERE or "new file mode " in headers:
        return _create(new or old, tree)
    return _change_or_create(edit, old, new, tree)


_UNNAMED = Rejection(
    Reason.NO_PATCH,
    "a change names no file: write `--- a/path` and `+++ b/path` above its @@ line, or the path "
    "on the line above `<<<<<<< SEARCH`",
)


def _headers(diff: FileDiff) -> dict[str, str]:
    """Return git's extended headers: what stands behind each of its words."""
    return {
        key: line[len(key) :].strip()
        for line in diff.headers
        for key in GIT_HEADERS
        if line.startswith(key)
    }


def _refused_header(diff: FileDiff, headers: Mapping[str, str]) -> Rejection | None:
    name = shorten(diff.new or diff.old or "".join(diff.headers[:1]))
    if "copy from " in headers or "copy to " in headers:
        return Rejection(Reason.NO_PATCH, f"{name}: copies are not taken; add the file in full")
    if "Binary files " in headers or "GIT binary patch" in headers:
        return Rejection(Reason.NO_PATCH, f"{name}: a binary diff; only text files can be changed")
    modes = [value for key, value in headers.items() if key.endswith("mode ")]
    special = [mode for mode in modes + headers.get("index ", "").split()[1:] if mode != MODE]
    if special:
        return Rejection(
            Reason.ILLEGAL_PATH,
            f"{name}: file mode {shorten(special[0])} is not taken; files are plain text with mode "
            f"{MODE}: no symlinks, no submodules, no executables",
        )
    return None


def _names(diff: FileDiff, tree: Tree) -> tuple[str, str] | Rejection:
    """Return the old and new path without prefixes, "" where one is not given."""
    old, new = _clean(diff.old), _clean(diff.new)
    stated = _git_names(diff.headers[0]) if diff.headers else None
    if stated is not None and not old and not new:
        old, new = stated
    is_prefixed = stated is not None and _are_prefixed(*stated)
    plain: list[str] = []
    for name in (old, new):
        if stated is not None and is_prefixed and name == _rest(stated[0]):
            plain.append(name)  # the line above has prefixes, and this one none
            continue
        sure = _are_prefixed(old, new) or (is_prefixed and name in (stated or ()))
        found = _without_prefix(name, tree, sure=sure)
        if isinstance(found, Rejection):
            return found
        plain.append(found)
    return plain[0], plain[1]


def _are_prefixed(old: str, new: str) -> bool:
    """Tell whether two names are one path below `a/` and below `b/`."""
    return old.startswith("a/") and new.startswith("b/") and _rest(old) == _rest(new)


def _git_names(header: str) -> tuple[str, str] | None:
    """Return the two names of `diff --git X Y` if they are one file's."""
    if not header.startswith("diff --git "):
        return None
    names = header.removeprefix("diff --git ").strip()
    middle = len(names) // 2
    first, second = names[:middle], names[middle + 1 :]
    return (first, second) if _rest(first) == _rest(second) else None


def _rest(name: str) -> str:
    return name.partition("/")[2] if name.startswith(("a/", "b/")) else name


def _clean(name: str) -> str:
    """Return a header's path without time stamp, quotes and `./`."""
    if len(name) > LONGEST_PATH:
        return name
    name = STAMP.sub("", name.partition("\t")[0].rstrip()).strip(" `\"'*")
    return name.removeprefix("./")


def _without_prefix(name: str, tree: Tree, *, sure: bool) -> str | Rejection:
    """Return a path without `a/` or `b/`, unless that is a folder of the tree."""
    if not name.startswith(("a/", "b/")):
        return name
    rest = name[2:]
    if sure:
        return rest
    if name in tree and rest in tree:
        return Rejection(
            Reason.NO_PATCH, f"{name} may be {rest} or {name}: begin with `diff --git a/... b/...`"
        )
    if name in tree or rest in tree:
        return name if name in tree else rest
    if any(path.startswith(name[:2]) for path in tree):
        return Rejection(
            Reason.NO_PATCH,
            f"{name} may be a new file {rest} or {name}: begin with `diff --git a/... b/...`",
        )
    return rest


def _rename(headers: Mapping[str, str], tree: Tree) -> Target | Rejection:
    old, new = (_clean(headers.get(key, "")) for key in ("rename from ", "rename to "))
    if old not in tree and old.startswith("a/") and new.startswith("b/"):
        old, new = old[2:], new[2:]
    source = _existing(old, tree)
    if source is None:
        return _missing(old, tree)
    if (why := why_illegal(new)) is not None:
        return illegal_path(new, why)
    if new in tree:
        return Rejection(Reason.NO_PATCH, f"{source} cannot be renamed to {new}: that file exists")
    return Target(action=Action.RENAME, path=source, renamed_to=new)


def _delete(name: str, tree: Tree) -> Target | Rejection:
    found = _existing(name, tree)
    if found is None:
        return _missing(name, tree)
    return Target(action=Action.DELETE, path=found, renamed_to=found)


def _create(name: str, tree: Tree) -> Target | Rejection:
    if name in tree:
        return Rejection(
            Reason.NO_PATCH,
            f"{name} is to be added as a new file, but it exists: write a diff against it",
        )
    if (why := why_illegal(name)) is not None:
        return illegal_path(name, why)
    return Target(action=Action.CREATE, path=name, renamed_to=name)


def _change(name: str, tree: Tree) -> Target | Rejection:
    found = _existing(name, tree)
    if found is None:
        return _missing(name, tree)
    return Target(action=Action.CHANGE, path=found, renamed_to=found)


def _change_or_create(diff: FileDiff, old: str, new: str, tree: Tree) -> Target | Rejection:
    found = {path for name in (old, new) if name and (path := _existing(name, tree))}
    if len(found) > 1 or (found and new and old != new and _existing(new, tree) is None):
        return Rejection(
            Reason.NO_PATCH,
            f"--- {shorten(old)} and +++ {shorten(new)} are two files: name one file in both; to "
            "rename it, write `diff --git`, `rename from` and `rename to` lines; to add one, write "
            "`--- /dev/null`",
        )
    if found:
        return _change(found.pop(), tree)
    name = new or old
    return _create(name, tree) if _is_a_new_file(diff.hunks) else _missing(name, tree)


def _is_a_new_file(hunks: Sequence[Hunk]) -> bool:
    """Tell whether hunks add lines from the first on; further down they mean a file that exists."""
    only_adds = all(line.op is Op.ADDED for hunk in hunks for line in hunk.lines)
    return len(hunks) == 1 and only_adds and (hunks[0].old_start or 0) <= 1


def _target_of_replacement(
    block: Replacement, tree: Tree, previous: str | None
) -> Target | Rejection:
    named = _named_in(block.words, tree)
    if isinstance(named, Rejection):
        return named
    named = named or previous
    if named is None:
        return _UNNAMED
    if _existing(named, tree) is None and not any(line.strip() for line in block.search):
        return _create(named, tree)
    return _change(named, tree)


def _named_in(words: Sequence[str], tree: Tree) -> str | Rejection | None:
    """Return the file that the lines above an edit name: one alone on its line, or the only one."""
    for line in words[::-1]:
        if (alone := _lone_path(line)) is not None:
            return _rest(alone) if alone not in tree and _rest(alone) in tree else alone
    named = {
        found
        for line in words
        for word in WORD.findall(line)
        if "." in word and (found := _existing(word.rstrip("."), tree))
    }
    if len(named) > 1:
        return Rejection(
            Reason.NO_PATCH,
            f"a change may belong to any of {', '.join(sorted(named))}: write its path on the "
            "line above it",
        )
    return named.pop() if named else None


def _lone_path(line: str) -> str | None:
    """Return the path that is all a line says, after an optional label such as `File:`."""
    label, colon, rest = line.strip(DECORATION).partition(":")
    name = (rest if colon and " " not in label else line).strip(DECORATION)
    return name if LONE_PATH.fullmatch(name) else None


def _existing(name: str, tree: Tree) -> str | None:
    """Return the path of the tree that a name means: itself, or the only one that ends so."""
    if name in tree:
        return name
    ends = [path for path in tree if name and path.endswith(f"/{name}")]
    return ends[0] if len(ends) == 1 else None


def _missing(name: str, tree: Tree) -> Rejection:
    if (why := why_illegal(name)) is not None:
        return illegal_path(name, why)
    near = difflib.get_close_matches(name, tree, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(tree)[:20])}"
    return Rejection(
        Reason.NO_PATCH,
        f"there is no file {name}: {hint} A new file is added with `--- /dev/null`.",
    )
