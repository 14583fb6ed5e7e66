"""What a damaged part of the ledger told of runs -> the same rows, made again from what is on disk.

    jobs/<batch>/<run>.json    a worker's record, once the ledger has taken it in

Rows of a run and of the outcome that it led to are entered together. Where one of them is gone, a
part was damaged, and the record says once more what it said: no node runs again for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from airr.batch import Result
from airr.book import Book
from airr.config import Metric
from airr.errors import Damaged
from airr.executor.mending import Mending
from airr.executor.openruns import OpenRun, recover_open_runs
from airr.executor.plausibility import Scores
from airr.executor.results import failure_of, judge_result, run_row, was_stopped
from airr.records import (
    Outcome,
    Reason,
    Run,
    Scored,
    Wanted,
    is_passing,
    row_of,
)
from airr.workspace import Workspace

NOTHING_IS_MENDED = Mending(runs=0, seconds=0.0)


class LostRows(Damaged):
    """The ledger lacks what it once told of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """One campaign's ledger, to be made whole before anything is scheduled.

    `mending` says which crashes are not the end of their idea. What runs at a rung of a screen came
    to is not made again: it is run once more.
    """

    workspace: Workspace
    book: Book
    metric: Metric
    mending: Mending = NOTHING_IS_MENDED

    def restore(self) -> None:
        """Enter again what is lost, and say so; say too what cannot be, and is done again.

        Raises:
            OSError, WorkspaceError: the ledger cannot be written.
        """
        runs = [row for open_run in self._lost_runs() if (row := self._run_again_from(open_run))]
        known = {**self.book.runs, **{run.id: run for run in runs}}
        lost = [run for run in known.values() if self._lacks_its_outcome(run, known)]
        found = {run.id: outcome for run in lost if (outcome := self._outcome_of(run))}
        self.book.enter([*runs, *map(row_of, found.values())])
        _tell({run.id for run in runs} | found.keys(), {run.id for run in lost} - found.keys())

    def _lost_runs(self) -> Iterator[OpenRun]:
        """Yield the runs that have a record as if the ledger had them, and no row there."""
        for run in recover_open_runs(self.workspace, self.book.runs).values():
            record = self.workspace.batch(run.batch.name) / f"{run.planned.key.name}.json"
            if run.goal.rung is None and record.exists():
                yield run

    def _run_again_from(self, run: OpenRun) -> Run | None:
        result = self._record(run.batch.name, run.planned.key.name)
        if result is None or was_stopped(result):
            return None
        return run_row(run, self._judged(result), result)

    def _lacks_its_outcome(self, run: Run, known: dict[str, Run]) -> bool:
        """Tell whether a run was the last of its idea and seed, and what came of them is gone."""
        wanted: Wanted = (run.idea_id, run.repeat)
        before = [one for one in known.values() if (one.idea_id, one.repeat) == wanted]
        crashes = sum(one.reason is Reason.CRASH and one.attempt < run.attempt for one in before)
        if run.rung is not None or wanted in self.book.outcomes:
            return False
        if run.reason is None:
            return True
        is_tried_again = is_passing(run.reason, run.idea_id)
        return not (is_tried_again or self.mending.is_due(failure_of(run), crashes))

    def _outcome_of(self, run: Run) -> Outcome | None:
        if run.reason is not None and run.stage is not None:
            return failure_of(run)
        result = self._record(run.batch, run.id)
        return None if result is None else self._judged(result)

    def _judged(self, result: Result) -> Outcome:
        past = (one for one in self.book.outcomes.values() if isinstance(one, Scored))
        return judge_result(result, Scores(self.metric, past))

    def _record(self, batch: str, run: str) -> Result | None:
        """Return a worker's record, or None if that is gone or damaged too."""
        try:
            result = Result.from_json((self.workspace.batch(batch) / f"{run}.json").read_bytes())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return result if (result.key.name, result.batch) == (run, batch) else None


def _tell(restored: set[str], left: set[str]) -> None:
    for names, how in (
        (restored, "they are made again from the records below jobs/"),
        (left, "their records are gone too, and they are run again"),
    ):
        if names:
            listed = ", ".join(sorted(names))
            warnings.warn(
                f"the ledger has lost rows of these runs: {listed}: {how}", LostRows, stacklevel=3
            )
