"""Slurm's commands as one head sees them: counted, and led astray where a test wants it.

A folder that stands first on PATH holds one wrapper for each command. It writes a line to a list
of calls and becomes the real command, unless the test has put something in its place.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")

WRAPPER = """\
#!/bin/sh
echo "$(date +%s.%N) {name}" >> {folder}/calls
if test -x {folder}/instead-{name}; then exec {folder}/instead-{name} "$@"; fi
exec {real} "$@"
"""


@dataclass(frozen=True, slots=True)
class Commands:
    """The wrappers in one folder."""

    folder: Path

    @classmethod
    def wrapped(cls, folder: Path, names: Collection[str] = COMMANDS) -> Commands:
        folder.mkdir(parents=True, exist_ok=True)
        commands = cls(folder)
        commands.forget()
        for name in names:
            wrapper = folder / name
            wrapper.write_text(WRAPPER.format(name=name, folder=folder, real=real(name)))
            wrapper.chmod(0o755)
        return commands

    @property
    def path(self) -> str:
        """Return the PATH of a head that uses them."""
        return f"{self.folder}:{os.environ['PATH']}"

    def calls(self) -> list[str]:
        """Return the names of the commands that were called, in order."""
        return [line.split()[1] for line in self._lines()]

    def times(self, name: str) -> list[float]:
        """Return when a command was called, in unix seconds."""
        return [float(time) for time, _, said in map(partition, self._lines()) if said == name]

    def counts(self) -> Counter[str]:
        return Counter(self.calls())

    def forget(self) -> None:
        """Begin to count anew."""
        (self.folder / "calls").write_text("")

    def put(self, name: str, script: str) -> None:
        """Have shell lines run in place of a command; `{real}` stands for the command itself."""
        beside = self.folder / f".{name}"
        beside.write_text(f"#!/bin/sh\n{script.replace('{real}', real(name))}\n")
        beside.chmod(0o755)
        beside.replace(self.folder / f"instead-{name}")

    def restore(self) -> None:
        """Let all commands be themselves again."""
        for path in self.folder.glob("instead-*"):
            path.unlink()

    def _lines(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


def partition(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def real(name: str) -> str:
    """Return where a command is installed."""
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found
