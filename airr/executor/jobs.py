"""Codebase -> Job -> Outcome: the scheduler's clock collects, looks, and submits.

Each tick takes in what workers recorded, asks the cluster once about everything still open, and
submits all that is ready as one array; between ticks, what gets ready while nodes may be idle goes
out at once. What it decides is on disk before it is done: the batch record before the submission,
the ledger's rows before the inbox is emptied. So it may be killed anywhere and started again: a
run is known by its name, wherever it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from airr.batch import Batch, Plan, PlannedRun, Result
from airr.book import Book, Wanted
from airr.cluster.protocol import (
    Cluster,
    JobArray,
    SubmissionLimited,
    SubmissionUnknown,
    TaskState,
    TaskStatus,
)
from airr.config import Cluster as ClusterSettings
from airr.config import Metric
from airr.errors import ClusterError
from airr.executor.arrays import MOST_AT_ONCE, arrays_of, next_batch_name
from airr.executor.gathering import groups_to_submit, is_time_to_submit, tasks_of
from airr.executor.inbox import file_away, read_inbox
from airr.executor.node_limit import NodeLimit
from airr.executor.openruns import OpenRun, Ready, open_runs_of, recover_open_runs
from airr.executor.results import describe_outcome, judge_absence, judge_result, run_row
from airr.executor.verdicts import Absence, Verdict, verdict_of
from airr.records import INFRASTRUCTURE, Codebase, Failed, Outcome, RunKey, row_of
from airr.workspace import Workspace, write_atomically

log = logging.getLogger(__name__)

Ended = tuple[OpenRun, Outcome, Result | None]


class Scheduler:
    """Runs codebases on a cluster; there is one for a campaign."""

    def __init__(  # noqa: PLR0913 - the composition root of one stage
        self,
        *,
        workspace: Workspace,
        book: Book,
        cluster: Cluster,
        plan: Plan,
        metric: Metric,
        settings: ClusterSettings,
        seed: int,
        uid: str,
        clock: Callable[[], float],
        limit: NodeLimit | None = None,
    ) -> None:
        """Take up what an earlier head left open in this workspace.

        `uid` makes the names of batches unique for ever; `clock` gives unix seconds; `limit` is
        shared with other campaigns.
        """
        self._workspace = workspace
        self._book = book
        self._cluster = cluster
        self._plan = plan
        self._metric = metric
        self._settings = settings
        self._seed = seed
        self._uid = uid
        self._clock = clock
        self._limit = limit
        self._waiting: dict[Wanted, asyncio.Future[Outcome]] = {}
        self._ready: list[Ready] = []
        self._coming = 0
        self._window = MOST_AT_ONCE
        self._wake = asyncio.Event()
        self._is_busy = True  # the first tick is still to come
        self.open = recover_open_runs(workspace, book.runs)
        self.task_nodes = plan.nodes

    @property
    def awaited(self) -> int:
        """Return how many outcomes somebody waits for."""
        return len(self._waiting)

    @property
    def ready_tasks(self) -> int:
        """Return how many tasks the runs make that wait to be submitted."""
        return tasks_of(self._ready, self._settings.pack)

    def has_open(self, wanted: Wanted) -> bool:
        """Tell whether a run is submitted that has no result yet."""
        return any(run.wanted == wanted for run in self.open.values())

    def open_arrays(self) -> list[JobArray]:
        """Return what is submitted, or about to be, and has no result yet."""
        return arrays_of(self.open.values(), self._workspace)

    @property
    def is_at_rest(self) -> bool:
        """Tell whether nothing is left to do until the cluster has news.

        All that it takes now is submitted, and of no run it is open whether its job was lost.
        """
        in_question = any(run.absent_looks for run in self.open.values())
        return not (self._is_busy or self._wake.is_set() or in_question)

    async def run(self, codebase: Codebase, repeat: int = 0) -> Outcome:
        """Return the outcome of a codebase, running it unless that has been done already."""
        wanted = (codebase.idea_id, repeat)
        if wanted in self._book.outcomes:
            return self._book.outcomes[wanted]
        future = asyncio.get_running_loop().create_future()
        self._waiting[wanted] = future
        if not self.has_open(wanted):
            self._make_ready(codebase, wanted)
        return await future

    @contextmanager
    def one_more_coming(self) -> Generator[None]:
        """Say while the body runs that a codebase is being written: it may be worth waiting for."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
            self._wake.set()

    async def keep_going(self) -> None:
        """Tick until cancelled; whoever gets ready in between is submitted without another look.

        Raises:
            ClusterError: the cluster refuses what is submitted, and will refuse it again.
            WorkspaceError: another head has taken this campaign over.
        """
        while True:
            await self.tick()
            loop = asyncio.get_running_loop()
            next_tick = loop.time() + self._settings.tick_seconds
            while await self._is_woken(next_tick - loop.time()):
                self._is_busy = True
                await asyncio.sleep(0)  # let everything ready at this moment join the array
                await self._submit_ready()
                self._is_busy = False

    async def _is_woken(self, seconds: float) -> bool:
        """Wait for something to be ready, at most so long, and tell whether it is."""
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, seconds))
        except TimeoutError:
            return False
        return True

    async def tick(self) -> None:
        """Take one turn: collect, look, submit."""
        self._is_busy = True
        self._collect()
        await self._look()
        await self._submit_ready()
        self._is_busy = False

    def _make_ready(self, codebase: Codebase, wanted: Wanted) -> None:
        idea_id, repeat = wanted
        key = RunKey(idea_id=idea_id, repeat=repeat, attempt=self._book.next_attempt(wanted))
        self._ready.append(Ready(codebase, key, self._book.bad_nodes(wanted), self._clock()))
        self._wake.set()

    # ---- collect -------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Enter every result in the inbox into the ledger, in one commit; then clear them."""
        results = read_inbox(self._workspace)
        fresh = [result for result in results if self._is_awaited(result)]
        self._enter([(self.open[r.key.name], judge_result(r, self._metric), r) for r in fresh])
        for result in results:
            file_away(self._workspace, result)

    def _is_awaited(self, result: Result) -> bool:
        """Tell whether a result is that of an open run, and not of a batch taken back before."""
        run = self.open.get(result.key.name)
        return run is not None and run.batch.name == result.batch

    def _enter(self, ended: Sequence[Ended]) -> None:
        """Commit how runs ended; those whose infrastructure failed are made ready again."""
        if not ended:
            return
        gpus = self._plan.gpus * self._plan.nodes
        final = [(run, outcome) for run, outcome, _ in ended if not self._is_retried(outcome)]
        runs = [run_row(run, outcome, result, gpus) for run, outcome, result in ended]
        self._book.enter([*runs, *(row_of(outcome) for _, outcome in final)])
        for run, outcome, _ in ended:
            del self.open[run.planned.key.name]
            log.info("%s", describe_outcome(outcome))
            if self._is_retried(outcome):
                self._make_ready(run.codebase, run.wanted)
        for run, outcome in final:
            if future := self._waiting.pop(run.wanted, None):
                future.set_result(outcome)

    def _is_retried(self, outcome: Outcome) -> bool:
        return (
            isinstance(outcome, Failed)
            and outcome.reason in INFRASTRUCTURE
            and outcome.attempt < self._settings.max_retries
        )

    # ---- look ----------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Ask the cluster once about everything open, and act on what has no result coming."""
        batches = {run.batch.name: run.batch for run in self.open.values()}
        if not batches:
            return
        found = await self._cluster.survey(self.open_arrays())
        if found is None:
            return
        for job_id in await self._cluster.cancel_duplicates():
            log.warning("job %s was a second copy of a submitted array and is cancelled", job_id)
        self._collect()  # what was recorded while the cluster answered comes first
        ended: list[Ended] = []
        never_queued: set[str] = set()
        for run in self.open.values():
            status = found.get(run.batch.name, {}).get(run.task, TaskStatus(state=TaskState.GONE))
            verdict = self._judge(run, status)
            if verdict is Verdict.ENDED:
                ended.append((run, judge_absence(run, status, self._clock()), None))
            elif verdict is Verdict.RESUBMIT:
                never_queued.add(run.batch.name)
        self._enter(ended)
        for name in sorted(never_queued):
            log.warning("batch %s never reached the cluster: submitting it again", name)
            await self._submit(batches[name])

    def _judge(self, run: OpenRun, status: TaskStatus) -> Verdict:
        run.note(status.state, self._clock())
        heartbeat = self._workspace.heartbeat(run.batch.name, run.planned.key)
        run.was_seen |= status.state is not TaskState.GONE or heartbeat.exists()
        return verdict_of(
            status.state,
            was_seen=run.was_seen,
            absence=Absence(looks=run.absent_looks, seconds=self._clock() - run.absent_since),
            patience_seconds=self._settings.lost_after_seconds,
        )

    # ---- submit --------------------------------------------------------------------------------

    async def _submit_ready(self) -> None:
        """Submit what is ready and fits, but for runs that wait for others to fill their task."""
        self._wake.clear()  # what becomes ready from here on is another matter
        if not (self._ready and self._is_time()):
            return
        largest = await self._cluster.largest_array()
        if largest is None:
            return
        room = await self._limit.room_for(self) if self._limit else largest
        for batch in self._plan_batches(min(largest, self._window, room)):
            await self._submit(batch)

    def _is_time(self) -> bool:
        return is_time_to_submit(
            queued=sum(run.state is TaskState.PENDING for run in self.open.values()),
            coming=self._coming,
            waited_seconds=self._clock() - min(one.since for one in self._ready),
            patience_seconds=self._settings.gather_seconds,
        )

    def _plan_batches(self, most: int) -> list[Batch]:
        """Put ready runs that make at most `most` tasks on record as batches."""
        pack = self._settings.pack
        most = min(most, max(1, MOST_AT_ONCE // pack))
        groups = groups_to_submit(self._ready, pack=pack, most=most, is_due=self._is_due)
        gone = {one for group in groups for one in group}
        self._ready = [one for one in self._ready if one not in gone]
        batches: list[Batch] = []
        for group in groups:
            batch = self._plan_batch(group)
            folder = self._workspace.batch(batch.name)
            folder.mkdir()
            write_atomically(folder / "batch.json", batch.to_json().encode())
            self.open |= open_runs_of(batch, self._book.runs)
            batches.append(batch)
        if self._limit and batches:
            self._limit.take(self)
        return batches

    def _is_due(self, ready: Ready) -> bool:
        """Tell whether a run no longer waits for others to fill its task."""
        waited = self._clock() - ready.since
        return self._coming == 0 or waited >= self._settings.pack_wait

    async def _submit(self, batch: Batch) -> None:
        try:
            await self._cluster.submit(self._array_of(batch))
            self._window = min(2 * self._window, MOST_AT_ONCE)
            log.info("submitted %s: %s", batch.name, batch.packing.in_words)
        except SubmissionUnknown as error:
            log.warning("no answer to the submission of %s (%s): looking for it", batch.name, error)
        except SubmissionLimited as error:
            log.info("%s waits: %s", batch.name, error)
            self._window = max(1, batch.packing.tasks // 2)
            self._withdraw(batch)
        except ClusterError:
            self._withdraw(batch)
            raise

    def _withdraw(self, batch: Batch) -> None:
        """Take back a batch that the cluster refused: its runs are ready again."""
        record = self._workspace.batch(batch.name) / "batch.json"
        record.replace(record.with_name("refused.json"))
        for run in [run for run in self.open.values() if run.batch.name == batch.name]:
            del self.open[run.planned.key.name]
            self._ready.append(
                Ready(run.codebase, run.planned.key, batch.exclude_nodes, self._clock())
            )

    def _plan_batch(self, ready: Sequence[Ready]) -> Batch:
        return Batch(
            name=next_batch_name(self._workspace, self._uid),
            inbox=str(self._workspace.inbox.absolute()),
            plan=self._plan,
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

    def _array_of(self, batch: Batch) -> JobArray:
        """Return what the cluster is told of a batch: the tasks of it that are still open."""
        runs = [run for run in self.open.values() if run.batch.name == batch.name]
        (array,) = arrays_of(runs, self._workspace)
        return array
