"""Runs that are planned and have no row in the ledger yet, known by name wherever they are.

jobs/<batch>/withdrawn.json    the runs of a batch that `airr.cancel` took back: they are as
                               if they had never been submitted, and will be again
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from airr.batch import Batch, PlannedRun
from airr.cluster.protocol import LIVE, TaskState, TaskStatus
from airr.errors import Damaged
from airr.foreign import list_in
from airr.ledger import read_table
from airr.records import Codebase, RunKey
from airr.workspace import Workspace, names_in, write_atomically


class DamagedBatch(Damaged):
    """A batch on record cannot be read: what became of its runs is not known from here."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A codebase that waits to be submitted, since a second that no step of the clock moves."""

    codebase: Codebase
    key: RunKey
    exclude_nodes: tuple[str, ...]
    since: float

    @property
    def company(self) -> tuple[tuple[str, ...], int]:
        """Return what all runs of a batch have in common: nodes to avoid, and the rung, if any."""
        return self.exclude_nodes, -1 if self.key.rung is None else self.key.rung


SUBMITTED = TaskStatus(state=TaskState.PENDING)


@dataclass(slots=True)
class OpenRun:
    """A run of a batch, and what the cluster was last seen to say of it."""

    planned: PlannedRun
    batch: Batch
    index: int
    status: TaskStatus = SUBMITTED
    was_seen: bool = False
    has_begun: bool = False
    absent_looks: int = 0
    absent_since: float = 0.0

    @property
    def task(self) -> int:
        """Return the array task that it belongs to, maybe with others."""
        return self.batch.packing.task_of(self.index)

    @property
    def state(self) -> TaskState:
        """Return the state that the cluster last told of."""
        return self.status.state

    @property
    def goal(self) -> RunKey:
        """Return what this run is an attempt at."""
        return self.planned.key.goal

    @property
    def codebase(self) -> Codebase:
        """Return what it runs."""
        run = self.planned
        return Codebase(idea_id=run.key.idea_id, path=run.codebase, sha256=run.codebase_sha256)

    def note(self, status: TaskStatus, now: float) -> None:
        """Take down what the cluster says at this look."""
        is_absent = status.state not in LIVE
        self.status = status
        self.absent_since = (self.absent_since or now) if is_absent else 0.0
        self.absent_looks = self.absent_looks + 1 if is_absent else 0


def open_runs_of(batch: Batch, ended: Container[str]) -> dict[str, OpenRun]:
    """Return the runs of a batch that are not among the `ended`, by name."""
    return {
        planned.key.name: OpenRun(planned, batch, index)
        for index, planned in enumerate(batch.runs)
        if planned.key.name not in ended
    }


def open_runs_in(workspace: Workspace) -> dict[str, OpenRun]:
    """Return the runs that were submitted and have no row in the ledger, by name."""
    ended = read_table(workspace.ledger, "runs", ["id"])["id"].to_pylist()
    return recover_open_runs(workspace, ended)


def recover_open_runs(workspace: Workspace, ended: Iterable[str]) -> dict[str, OpenRun]:
    """Return what earlier heads left open, from the batch records on disk.

    `ended` are the names of the runs that the ledger has a row for.
    """
    found: dict[str, OpenRun] = {}
    closed = frozenset(ended)
    for name in names_in(workspace.jobs):
        path = workspace.batch(name) / "batch.json"
        try:
            batch = Batch.from_json(path.read_bytes())
            found |= open_runs_of(batch, closed | _withdrawn(workspace, name))
        except FileNotFoundError:
            continue  # killed before the record stood: nothing was submitted under this name
        except ValueError as error:
            warnings.warn(
                f"{path} is damaged and left out: {error}\n"
                "What of it has no result in the ledger is submitted again.",
                DamagedBatch,
                stacklevel=2,
            )
    return found


def withdraw(workspace: Workspace, runs: Iterable[OpenRun]) -> None:
    """Record that these runs are taken back: the next head submits them as if for the first time.

    To be called by whoever holds the lease, once nothing of them runs any more.
    """
    by_batch: defaultdict[str, set[str]] = defaultdict(set)
    for run in runs:
        by_batch[run.batch.name].add(run.planned.key.name)
    for batch, names in by_batch.items():
        record = json.dumps(sorted(names | _withdrawn(workspace, batch)))
        write_atomically(_withdrawals(workspace, batch), record.encode())


def _withdrawn(workspace: Workspace, batch: str) -> frozenset[str]:
    path = _withdrawals(workspace, batch)
    try:
        return frozenset(one for one in list_in(path.read_bytes()) if isinstance(one, str))
    except FileNotFoundError:
        return frozenset()
    except ValueError as error:
        warnings.warn(
            f"{path} is damaged: no run of the batch counts as taken back: {error}",
            DamagedBatch,
            stacklevel=2,
        )
        return frozenset()


def _withdrawals(workspace: Workspace, batch: str) -> Path:
    return workspace.batch(batch) / "withdrawn.json"
