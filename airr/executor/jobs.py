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
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from airr.batch import Batch, Plan, Result
from airr.book import Book, Row
from airr.cluster.protocol import Cluster, JobArray, TaskState, TaskStatus
from airr.config import Cluster as ClusterSettings
from airr.config import Metric
from airr.curves import Bar
from airr.errors import ClusterError
from airr.executor.arrays import arrays_of
from airr.executor.inbox import file_away, read_inbox
from airr.executor.mending import Mending
from airr.executor.node_limit import NodeLimit
from airr.executor.openruns import OpenRun, recover_open_runs
from airr.executor.plans import Rung
from airr.executor.plausibility import Scores
from airr.executor.results import (
    describe_outcome,
    judge_absence,
    judge_result,
    judge_stop,
    run_row,
    screening_row,
    was_stopped,
)
from airr.executor.submissions import Submissions
from airr.executor.verdicts import Absence, Verdict, verdict_of
from airr.records import (
    BASELINE,
    Codebase,
    Failed,
    Outcome,
    RunKey,
    Scored,
    is_passing,
    row_of,
)
from airr.workspace import Workspace

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
        rungs: Sequence[Rung] = (),
        bar_for: Callable[[Sequence[RunKey]], Bar | None] = lambda _: None,
        elapsed: Callable[[], float] = time.monotonic,
        limit: NodeLimit | None = None,
        mending: Mending | None = None,
    ) -> None:
        """Take up what an earlier head left open in this workspace.

        `uid` makes the names of batches unique for ever; `clock` gives unix seconds, `elapsed`
        seconds that no step of the clock disturbs; `limit` is shared with other campaigns;
        `mending` says which crashes are not the end of their idea.
        `plan` and `metric` are those of full runs; `rungs` have their own. `bar_for` says what the
        curves of full runs are held against.
        """
        self._workspace = workspace
        self._book = book
        self._cluster = cluster
        self._rungs = rungs
        self._scores = Scores(
            metric, (one for one in book.outcomes.values() if isinstance(one, Scored))
        )
        self._settings = settings
        self._clock = clock
        self._elapsed = elapsed
        self._limit = limit
        self._mending = mending
        self._waiting: dict[RunKey, asyncio.Future[Outcome]] = {}
        self._wake = asyncio.Event()
        self._is_busy = True  # the first tick is still to come
        self._is_silent = False
        self._stopped: dict[str, Result] = {}
        self.open = recover_open_runs(workspace, book.runs)
        self._submissions = Submissions(
            workspace=workspace,
            cluster=cluster,
            plans={None: plan, **{rung.number: rung.plan for rung in rungs}},
            bar_for=bar_for,
            settings=settings,
            seed=seed,
            uid=uid,
            clock=clock,
            elapsed=elapsed,
            open_runs=self.open,
        )
        self.task_nodes = max(plan.nodes, *(rung.plan.nodes for rung in rungs), 0)

    @property
    def awaited(self) -> int:
        """Return how many outcomes somebody waits for."""
        return len(self._waiting)

    @property
    def ready_tasks(self) -> int:
        """Return how many tasks the runs make that wait to be submitted."""
        return self._submissions.ready_tasks

    def has_open(self, goal: RunKey) -> bool:
        """Tell whether a run is submitted that has no result yet."""
        return any(run.goal == goal for run in self.open.values())

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
        """Return the outcome of a codebase, running it unless that has been done already.

        A crash that is to be mended is returned like an outcome, and is none in the ledger.
        """
        goal = RunKey(idea_id=codebase.idea_id, repeat=repeat)
        if self._book.is_over(goal):
            return self._book.outcomes[goal.idea_id, repeat]
        return await self._result(codebase, goal)

    async def screen(self, codebase: Codebase, rung: int) -> None:
        """Run a codebase at a rung of the screen, unless that has been done already.

        What came of it stands in the book, but for a crash that is to be mended.
        """
        goal = RunKey(idea_id=codebase.idea_id, rung=rung)
        if not self._book.is_over(goal):
            await self._result(codebase, goal)

    async def _result(self, codebase: Codebase, goal: RunKey) -> Outcome:
        future = asyncio.get_running_loop().create_future()
        self._waiting[goal] = future
        if not self.has_open(goal):
            self._make_ready(codebase, goal)
        return await future

    @contextmanager
    def one_more_coming(self) -> Generator[None]:
        """Say while the body runs that a codebase is being written: it may be worth waiting for."""
        self._submissions.coming += 1
        try:
            yield
        finally:
            self._submissions.coming -= 1
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

    def _make_ready(self, codebase: Codebase, goal: RunKey) -> None:
        key = replace(goal, attempt=self._book.next_attempt(goal))
        self._submissions.add(codebase, key, self._book.bad_nodes(goal))
        self._wake.set()

    def _note_silence(self, *, is_silent: bool) -> None:
        """Say once that the cluster does not answer, and once that it does again."""
        if is_silent and not self._is_silent:
            said = f" ({self._cluster.complaint})" if self._cluster.complaint else ""
            log.warning("the scheduler does not answer%s: nothing is concluded, we wait", said)
        if self._is_silent and not is_silent:
            log.warning("the scheduler answers again")
        self._is_silent = is_silent

    # ---- collect -------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Enter every result in the inbox into the ledger, in one commit; then clear them.

        That a worker was told to stop stays there until the scheduler has explained it: a job
        that is put back into the queue begins this very attempt again.
        """
        results = read_inbox(self._workspace)
        awaited = [result for result in results if self._is_awaited(result)]
        self._stopped = {one.key.name: one for one in awaited if was_stopped(one)}
        fresh = [result for result in awaited if not was_stopped(result)]
        self._enter([(self.open[r.key.name], self._judged(r), r) for r in fresh])
        for result in results:
            if result.key.name not in self._stopped:
                file_away(self._workspace, result)

    def _judged(self, result: Result) -> Outcome:
        rung = result.key.rung
        past = self._scores if rung is None else Scores(self._rungs[rung].metric)
        return judge_result(result, past)

    def _is_awaited(self, result: Result) -> bool:
        """Tell whether a result is that of an open run, and not of a batch taken back before."""
        run = self.open.get(result.key.name)
        return run is not None and run.batch.name == result.batch

    def _enter(self, ended: Sequence[Ended]) -> None:
        """Commit how runs ended; those whose infrastructure failed are made ready again."""
        if not ended:
            return
        # an outcome that stands although the row of its run was lost stands once
        known = [run for run, _, _ in ended if self._book.is_over(run.goal)]
        retried = [run for run, one, _ in ended if self._is_retried(one) and run not in known]
        done = [(run, outcome) for run, outcome, _ in ended if run not in retried]
        runs = [run_row(run, outcome, result) for run, outcome, result in ended]
        final = [
            (run, outcome)
            for run, outcome in done
            if run not in known and not self._is_to_be_mended(outcome)
        ]
        self._book.enter([*runs, *(row for one in final for row in self._rows_of(*one))])
        for run, outcome in final:
            if run.goal.rung is None and isinstance(outcome, Scored):
                self._scores.add(outcome)
        for run, outcome, _ in ended:
            del self.open[run.planned.key.name]
            then = "; to be run again" if run in retried else ""
            if not then and self._is_to_be_mended(outcome):
                then = "; its patch is to be mended"
            log.info("%s%s", describe_outcome(outcome, run.planned.key.rung), then)
        for run in retried:
            self._make_ready(run.codebase, run.goal)
        for run, outcome in done:
            future = self._waiting.pop(run.goal, None)
            if future and not future.done():  # whoever waited for it may have been cancelled
                future.set_result(outcome)

    def _rows_of(self, run: OpenRun, outcome: Outcome) -> list[Row]:
        """Return what a run leaves in the ledger; who fails in the screen has failed."""
        if run.goal.rung is None:
            return [row_of(outcome)]
        is_over = isinstance(outcome, Failed) and outcome.idea_id != BASELINE
        screening = screening_row(outcome, self._rungs[run.goal.rung])
        return [screening, row_of(outcome)] if is_over else [screening]

    def _is_retried(self, outcome: Outcome) -> bool:
        return (
            isinstance(outcome, Failed)
            and is_passing(outcome.reason, outcome.idea_id)
            and outcome.attempt - self._book.mended(outcome) < self._settings.max_retries
        )

    def _is_to_be_mended(self, outcome: Outcome) -> bool:
        mended = self._book.mended(outcome)
        return self._mending is not None and self._mending.is_due(outcome, mended)

    # ---- look ----------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Ask the cluster once about everything open, and act on what has no result coming."""
        if not self.open:
            return
        found = await self._cluster.survey(self.open_arrays())
        self._note_silence(is_silent=found is None)
        if found is None:
            return
        for job_id in await self._cluster.cancel_duplicates():
            log.warning("job %s was a second copy of a submitted array and is cancelled", job_id)
        self._collect()  # what was recorded while the cluster answered comes first
        gone = TaskStatus(state=TaskState.GONE)
        verdicts = [
            (run, self._judge(run, found.get(run.batch.name, {}).get(run.task, gone)))
            for run in self.open.values()
        ]
        ended = [run for run, verdict in verdicts if verdict is Verdict.ENDED]
        hopeless = [run for run in ended if run.state is TaskState.UNSATISFIABLE]
        # before the outcome is out, which may be the end of this head
        if await self._take_off_the_queue(hopeless):
            self._give_up(ended)
        lost = {
            run.batch.name: run.batch for run, verdict in verdicts if verdict is Verdict.RESUBMIT
        }
        for name, batch in sorted(lost.items()):
            log.warning("batch %s never reached the cluster: submitting it again", name)
            await self._submit(batch)

    def _give_up(self, runs: Sequence[OpenRun]) -> None:
        """Enter how runs ended that have no result, or only the word that they were stopped."""
        ended: list[Ended] = []
        for run in runs:
            stop = self._stopped.get(run.planned.key.name)
            failure = judge_stop(stop, run.status) if stop else judge_absence(run, self._clock())
            ended.append((run, failure, stop))
        self._enter(ended)
        for _, _, stop in ended:
            if stop:
                file_away(self._workspace, stop)

    async def _take_off_the_queue(self, runs: Sequence[OpenRun]) -> bool:
        """Cancel what can never start, and would wait for ever; tell whether that was done."""
        try:
            await self._cluster.cancel(arrays_of(runs, self._workspace))
        except ClusterError as error:
            log.warning("what can never start is still in the queue: %s", error)
            return False
        return True

    def _judge(self, run: OpenRun, status: TaskStatus) -> Verdict:
        run.note(status, self._elapsed())
        heartbeat = self._workspace.heartbeat(run.batch.name, run.planned.key)
        run.has_begun |= bool(status.node) or heartbeat.exists()
        run.was_seen |= status.state is not TaskState.GONE or run.has_begun
        is_told = run.planned.key.name in self._stopped  # no result is on its way any more
        return verdict_of(
            status.state,
            was_seen=run.was_seen,
            absence=Absence(looks=run.absent_looks, seconds=self._elapsed() - run.absent_since),
            patience_seconds=0 if is_told else self._settings.lost_after_seconds,
        )

    # ---- submit --------------------------------------------------------------------------------

    async def _submit_ready(self) -> None:
        """Submit what is ready and fits, but for runs that wait for others to fill their task."""
        self._wake.clear()  # what becomes ready from here on is another matter
        if not self._submissions.are_due():
            return
        largest = await self._cluster.largest_array()
        self._note_silence(is_silent=largest is None)
        if largest is None:
            return
        room = await self._limit.room_for(self) if self._limit else largest
        batches = self._submissions.plan(min(largest, room))
        if self._limit and batches:
            self._limit.take(self)
        for batch in batches:
            await self._submit(batch)

    async def _submit(self, batch: Batch) -> None:
        if await self._submissions.submit(batch):
            self._wake.set()
