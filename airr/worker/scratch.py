"""Where a run lives on the node's own disk, and how a plan's commands are filled in."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airr.batch import Plan
from airr.nodelocal import node_folder
from airr.worker.rendezvous import Rendezvous, rendezvous_arguments


@dataclass(frozen=True, slots=True)
class Scratch:
    """The node-local folders of one run; `private` is never shown to a candidate."""

    folder: Path

    @property
    def codebase(self) -> Path:
        """Return where the codebase is unpacked."""
        return self.folder / "codebase"

    @property
    def output(self) -> Path:
        """Return where the candidate saves."""
        return self.folder / "output"

    @property
    def home(self) -> Path:
        """Return the candidate's HOME and TMPDIR."""
        return self.folder / "home"

    @property
    def scored(self) -> Path:
        """Return where the codebase is unpacked once more: what training did to it is left out."""
        return self.folder / "scored"

    @property
    def writable(self) -> tuple[Path, ...]:
        """Return where the candidate can write while it trains."""
        return self.codebase, self.output, self.home

    @property
    def private(self) -> Path:
        """Return where worker and scorer keep what a candidate must not reach."""
        return self.folder / "private"

    @property
    def snapshots(self) -> Path:
        """Return where copies of checkpoints are kept, out of a candidate's reach."""
        return self.folder / "snapshots"

    def make(self) -> None:
        """Start afresh: whatever a killed predecessor left is removed."""
        self.remove()
        for folder in (self.codebase, self.scored, self.output, self.home, self.private):
            folder.mkdir(parents=True, mode=0o700)

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)


def scratch_of(batch: str, index: int, node: str = "") -> Scratch:
    """Return the folders of a run, or of the copy of it on a further node.

    Nodes have names of their own here, since two of them may be one machine or share a disk.
    """
    name = f"{batch}-{index}"
    return Scratch(node_folder() / (f"{name}.{node}" if node else name))


def fill(argv: Sequence[str], plan: Plan, rendezvous: Rendezvous | None = None) -> tuple[str, ...]:
    """Return a command of the environment with its placeholders replaced."""
    values = {
        "{python}": sys.executable,
        "{env}": plan.env_folder,
        "{gpus}": str(plan.gpus),
        "{nodes}": str(plan.nodes),
    }
    filled: list[str] = []
    for part in argv:
        if part == "{rendezvous}":
            filled += rendezvous_arguments(rendezvous)
            continue
        for placeholder, value in values.items():
            part = part.replace(placeholder, value)  # noqa: PLW2901
        filled.append(part)
    return tuple(filled)
