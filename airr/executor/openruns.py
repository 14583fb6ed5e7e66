"""Runs that are planned and have no row in the ledger yet, known by name wherever they are."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airr.batch import Batch, PlannedRun
from airr.book import Book, Wanted
from airr.cluster.protocol import TaskState
from airr.records import Codebase, RunKey
from airr.workspace import Workspace, names_in

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ready:
    """A codebase that waits to be submitted."""

    codebase: Codebase
    key: RunKey
    exclude_nodes: tuple[str, ...]


@dataclass(slots=True)
class OpenRun:
    """A run of a batch, and what the cluster was last seen to say of it."""

    planned: PlannedRun
    batch: Batch
    index: int
    state: TaskState = TaskState.PENDING
    was_seen: bool = False
    absent_looks: int = 0
    absent_since: float = 0.0

    @property
    def wanted(self) -> Wanted:
        """Return what this run is an attempt at."""
        return (self.planned.key.idea_id, self.planned.key.repeat)

    @property
    def codebase(self) -> Codebase:
        """Return what it runs."""
        run = self.planned
        return Codebase(idea_id=run.key.idea_id, path=run.codebase, sha256=run.codebase_sha256)

    def note(self, state: TaskState, now: float) -> None:
        """Take down what the cluster says at this look."""
        is_absent = state not in {TaskState.PENDING, TaskState.RUNNING}
        self.state = state
        self.absent_since = (self.absent_since or now) if is_absent else 0.0
        self.absent_looks = self.absent_looks + 1 if is_absent else 0


def open_runs_of(batch: Batch, book: Book) -> dict[str, OpenRun]:
    """Return the runs of a batch that the ledger has no row for, by name."""
    return {
        planned.key.name: OpenRun(planned, batch, index)
        for index, planned in enumerate(batch.runs)
        if planned.key.name not in book.runs
    }


def recover_open_runs(workspace: Workspace, book: Book) -> dict[str, OpenRun]:
    """Return what earlier heads left open, from the batch records on disk."""
    found: dict[str, OpenRun] = {}
    for name in names_in(workspace.jobs):
        path = workspace.batch(name) / "batch.json"
        try:
            found |= open_runs_of(Batch.from_json(path.read_bytes()), book)
        except FileNotFoundError:
            continue  # killed before the record stood: nothing was submitted under this name
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s is damaged and left out: %r", path, error)
    return found
