"""Correct diffs and the trees they give: what the malformed answers are made from.

Of every environment in envs/ with a catalogue, each idea that `git apply` takes; and of
benchmarks/orchard, a small codebase with folders, whose diffs add, remove and rename files and
meet tabs, repeated lines, YAML and a missing final newline. The trees come from `git apply`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from airr.executor.codebases import read_tree
from airr.executor.diffs import unified_diff
from airr.llm.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[1]
Tree = Mapping[str, str]


@dataclass
class Hunk:
    """One hunk of a well-formed diff; `header` is its @@ line, "" where there is none."""

    header: str
    old_start: int
    new_start: int
    lines: list[str] = field(default_factory=list[str])

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many lines it has of the old file, and of the new one."""
        signs = [line[0] for line in self.lines]
        context = signs.count(" ")
        return context + signs.count("-"), context + signs.count("+")


@dataclass
class FileDiff:
    """The diff of one file; `headers` are its lines above the first hunk."""

    headers: list[str]
    hunks: list[Hunk] = field(default_factory=list[Hunk])

    @property
    def path(self) -> str:
        """Return the file's path, the new one where it is renamed."""
        return self.headers[0].rpartition(" b/")[2]

    @property
    def is_plain(self) -> bool:
        """Tell whether the file is changed where it stands."""
        return not any(line.startswith(("new ", "deleted ", "rename ")) for line in self.headers)


@dataclass(frozen=True)
class Case:
    """A codebase, a correct diff of it in parts, and the tree that the diff gives."""

    name: str
    before: Tree
    after: Tree
    text: str

    def files(self) -> list[FileDiff]:
        """Return the diff in parts, to be damaged."""
        files: list[FileDiff] = []
        for line in self.text.splitlines():
            if line.startswith("diff --git "):
                files.append(FileDiff([line]))
            elif found := re.match(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@", line):
                files[-1].hunks.append(Hunk(line, int(found[1]), int(found[2])))
            elif files[-1].hunks:
                files[-1].hunks[-1].lines.append(line or " ")
            else:
                files[-1].headers.append(line)
        return files


def rendered(files: list[FileDiff]) -> str:
    """Return a diff as text."""
    return "".join(f"{line}\n" for file in files for line in lines_of(file))


def lines_of(file: FileDiff) -> Iterator[str]:
    """Return the lines of one file's diff."""
    yield from file.headers
    for hunk in file.hunks:
        yield from filter(None, [hunk.header])
        yield from hunk.lines


def read_cases() -> dict[str, list[Case]]:
    """Return the cases of each codebase, by its name."""
    found: dict[str, list[Case]] = {}
    for folder in sorted(path.parent for path in (ROOT / "envs").glob("*/catalogue")):
        entries = Catalogue.read(folder / "catalogue").entries.values()
        diffs = {entry.slug: entry.default().fill(entry.diff) + "\n" for entry in entries}
        found[folder.name] = list(_cases(folder / "codebase", diffs))
    orchard = ROOT / "benchmarks" / "orchard"
    diffs = {path.stem: path.read_text() for path in sorted((orchard / "diffs").glob("*.diff"))}
    found["orchard"] = list(_cases(orchard / "codebase", diffs))
    return found


def _cases(codebase: Path, diffs: Mapping[str, str]) -> Iterator[Case]:
    before = read_tree(codebase)
    for name, text in diffs.items():
        with TemporaryDirectory() as folder:
            write_tree(before, Path(folder))
            if run(["git", "apply", "--whitespace=nowarn", "-"], text, Path(folder)):
                after = tree_in(Path(folder))
                # a catalogue loses blank context at the end of a diff to YAML: write it out again
                whole = text if "rename from" in text else unified_diff(before, after)
                yield Case(name=name, before=before, after=after, text=whole)


def run(command: list[str], text: str, folder: Path) -> bool:
    """Run a command with a text for its input, and tell whether it succeeded."""
    done = subprocess.run(
        command,
        input=text.encode(),
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(folder.parent), "LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def write_tree(tree: Tree, folder: Path) -> None:
    """Write a tree below a folder."""
    for path, text in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())


def tree_in(folder: Path) -> dict[str, str]:
    """Return the files below a folder, byte for byte."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode()
        for path in folder.rglob("*")
        if path.is_file()
    }
