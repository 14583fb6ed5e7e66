"""Ready codebases -> job arrays: put on record first, then submitted, in company where they can be.

An array that the cluster refuses is taken back, and its runs are ready again; one whose answer was
lost stays on record, to be looked for.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from airr.batch import Batch, Plan, PlannedRun
from airr.cluster.protocol import Cluster, SubmissionLimited, SubmissionUnknown, TaskState
from airr.config import Cluster as ClusterSettings
from airr.curves import Bar
from airr.errors import ClusterError
from airr.executor.arrays import MOST_AT_ONCE, arrays_of, next_batch_name
from airr.executor.gathering import (
    groups_to_submit,
    is_time_to_submit,
    starting_soon,
    tasks_of,
)
from airr.executor.openruns import OpenRun, Ready, open_runs_of
from airr.records import Codebase, RunKey
from airr.workspace import Workspace, write_atomically

log = logging.getLogger(__name__)

NAMED = 4
"""Runs of an array that the log names."""


class Submissions:
    """What of a campaign waits to be submitted, and how it goes out."""

    def __init__(  # noqa: PLR0913 - what a batch's record holds
        self,
        *,
        workspace: Workspace,
        cluster: Cluster,
        plans: Mapping[int | None, Plan],
        bar_for: Callable[[Sequence[RunKey]], Bar | None],
        settings: ClusterSettings,
        seed: int,
        uid: str,
        clock: Callable[[], float],
        elapsed: Callable[[], float],
        open_runs: dict[str, OpenRun],
    ) -> None:
        """Keep `open_runs`, by their names, up to date with what is submitted or taken back.

        `plans` are those of the rungs by number, and of full runs for None; `bar_for` is what
        curves of full runs are held against.
        `clock` gives unix seconds; `elapsed` seconds that no step of the clock disturbs.
        """
        self._workspace = workspace
        self._cluster = cluster
        self._plans = plans
        self._bar_for = bar_for
        self._settings = settings
        self._seed = seed
        self._uid = uid
        self._clock = clock
        self._elapsed = elapsed
        self._open = open_runs
        self._ready: dict[RunKey, Ready] = {}
        self._window = MOST_AT_ONCE
        self.coming = 0
        """Codebases that are being written: worth waiting for."""

    @property
    def ready_tasks(self) -> int:
        """Return how many tasks the runs make that wait to be submitted."""
        return tasks_of([*self._ready.values()], self._settings.pack)

    def add(self, codebase: Codebase, key: RunKey, exclude_nodes: tuple[str, ...]) -> None:
        """Let a run wait for its submission; one that waits already goes on waiting."""
        self._ready.setdefault(key, Ready(codebase, key, exclude_nodes, self._elapsed()))

    def are_due(self) -> bool:
        """Tell whether something waits that should go out now."""
        if not self._ready:
            return False
        states = Counter(run.state for run in self._open.values())
        return is_time_to_submit(
            queued=states[TaskState.PENDING],
            starting=starting_soon(
                running=states[TaskState.RUNNING],
                run_seconds=min(plan.budget_seconds for plan in self._plans.values()),
                tick_seconds=self._settings.tick_seconds,
            ),
            coming=self.coming,
            waited_seconds=self._elapsed() - min(one.since for one in self._ready.values()),
            patience_seconds=self._settings.gather_seconds,
        )

    def plan(self, most: int) -> list[Batch]:
        """Put ready runs that make at most `most` tasks on record as batches."""
        pack = self._settings.pack
        most = min(most, self._window, max(1, MOST_AT_ONCE // pack))
        groups = groups_to_submit(self._ready.values(), pack=pack, most=most, is_due=self._is_due)
        batches: list[Batch] = []
        for group in groups:
            for one in group:
                del self._ready[one.key]
            batch = self._batch_of(group)
            folder = self._workspace.batch(batch.name)
            folder.mkdir()
            write_atomically(folder / "batch.json", batch.to_json().encode())
            self._open |= open_runs_of(batch, ended=())
            batches.append(batch)
        return batches

    async def submit(self, batch: Batch) -> bool:
        """Submit what of a batch is open; tell whether some of it is to be tried again at once.

        Raises:
            ClusterError: the cluster refuses it, and will refuse it again.
        """
        try:
            await self._cluster.submit(*arrays_of(self._runs_of(batch), self._workspace))
            self._window = min(2 * self._window, MOST_AT_ONCE)
            log.info("submitted %s: %s", batch.name, _in_words(batch))
        except SubmissionUnknown as error:
            log.warning("no answer to the submission of %s (%s): looking for it", batch.name, error)
        except SubmissionLimited as error:
            log.info("%s waits: %s", batch.name, error)
            self._window = max(1, batch.packing.tasks // 2)
            self._take_back(batch, exclude=batch.exclude_nodes)
        except ClusterError as error:
            self._take_back(batch, exclude=())
            if not batch.exclude_nodes:
                raise
            # the nodes that failed may be all that the request fits: they are better than none
            log.warning("%s is submitted again, to any node: %s", batch.name, error)
            return True
        return False

    def _is_due(self, ready: Ready) -> bool:
        """Tell whether a run no longer waits for others to fill its task."""
        waited = self._elapsed() - ready.since
        return self.coming == 0 or waited >= self._settings.pack_wait

    def _take_back(self, batch: Batch, exclude: tuple[str, ...]) -> None:
        """Make the runs of a batch ready again that the cluster refused."""
        record = self._workspace.batch(batch.name) / "batch.json"
        record.replace(record.with_name("refused.json"))
        for run in self._runs_of(batch):
            del self._open[run.planned.key.name]
            self.add(run.codebase, run.planned.key, exclude)

    def _runs_of(self, batch: Batch) -> list[OpenRun]:
        return [run for run in self._open.values() if run.batch.name == batch.name]

    def _batch_of(self, ready: Sequence[Ready]) -> Batch:
        plan = self._plans[rung := ready[0].key.rung]
        if rung is None:
            plan = replace(plan, bar=self._bar_for([one.key for one in ready]))
        return Batch(
            name=next_batch_name(self._workspace, self._uid),
            inbox=str(self._workspace.inbox.absolute()),
            plan=plan,
            pack=self._settings.pack,
            runs=tuple(
                PlannedRun(
                    key=one.key,
                    seed=self._seed + one.key.repeat,
                    codebase=str((self._workspace.folder / one.codebase.path).absolute()),
                    codebase_sha256=one.codebase.sha256,
                )
                for one in ready
            ),
            exclude_nodes=ready[0].exclude_nodes,
            created_at=self._clock(),
        )


def _in_words(batch: Batch) -> str:
    """Return how many runs a batch has, and the first of them by name."""
    names = [run.key.name for run in batch.runs[:NAMED]]
    more = len(batch.runs) - len(names)
    return f"{batch.packing.in_words}, {', '.join(names)}{f' and {more} more' if more else ''}"
