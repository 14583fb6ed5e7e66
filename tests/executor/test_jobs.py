"""The scheduler on this machine's real local backend, with real workers and real kills."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airr.batch import Batch, Plan
from airr.book import Book
from airr.cluster.local import Local
from airr.cluster.protocol import JobArray, TaskState, TaskStatus
from airr.cluster.slots import Machine, Slots
from airr.config import Cluster, LocalSettings, Sandbox
from airr.config import Scheduler as SchedulerName
from airr.executor.codebases import Tree, pack, sha256_of
from airr.executor.jobs import Scheduler
from airr.executor.restoring import LostRows, Restoring
from airr.ledger import Ledger, read_records
from airr.llm.catalogue import Catalogue
from airr.llm.journal import Journal
from airr.llm.offline import Offline
from airr.llm.protocol import Purpose
from airr.records import (
    BASELINE,
    Codebase,
    Failed,
    OutcomeRow,
    Reason,
    Run,
    RunState,
    Scored,
    Stage,
    Withheld,
)
from airr.workspace import Workspace, write_atomically
from tests import toy
from tests.builders import LOSS, run

SETTINGS = Cluster(
    scheduler=SchedulerName.LOCAL,
    sandbox=Sandbox.NONE,
    max_retries=2,
    preflights=1,
    tick_seconds=0.1,
    gather_seconds=0,
    lost_after_seconds=0,
    own=LocalSettings(slots=2),
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    toy.make_env(tmp_path)
    workspace = Workspace(tmp_path / "runs" / tmp_path.name)
    workspace.create()
    return workspace


def plan_of(workspace: Workspace, **changes: object) -> Plan:
    return toy.plan(workspace.folder.parent.parent, sandbox="none", **changes)


def book_of(workspace: Workspace) -> Book:
    journal = Journal(workspace.journal, dict.fromkeys(Purpose, Offline(Catalogue([]))), {})
    return Book(Ledger(workspace.ledger), journal)


def put(workspace: Workspace, idea_id: str, tree: Tree) -> Codebase:
    data = pack(tree)
    write_atomically(workspace.codebase(idea_id), data)
    return Codebase(idea_id=idea_id, path=f"codebases/{idea_id}.zip", sha256=sha256_of(data))


class Moody(Local):
    """A cluster that does not always answer."""

    is_silent = False
    complaint = "no controller"
    cancelled: tuple[str, ...] = ()
    """Arrays that somebody has cancelled by hand."""

    async def survey(
        self, arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]] | None:
        found = await super().survey(arrays)
        told = TaskStatus(state=TaskState.CANCELLED)
        return found and {
            name: dict.fromkeys(tasks, told) if name in self.cancelled else tasks
            for name, tasks in found.items()
        }

    async def largest_array(self) -> int | None:
        return None if self.is_silent else await super().largest_array()


def this_machine() -> Moody:
    return Moody(Slots(Machine(cpus=2, gpus=0)))


@asynccontextmanager
async def head(
    workspace: Workspace,
    plan: Plan,
    settings: Cluster = SETTINGS,
    cluster: Local | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncGenerator[Scheduler]:
    """A head's scheduler on a fresh local cluster, which dies with it."""
    cluster = cluster or this_machine()
    scheduler = Scheduler(
        workspace=workspace,
        book=book_of(workspace),
        cluster=cluster,
        plan=plan,
        metric=LOSS,
        settings=settings,
        seed=0,
        uid="abc123",
        clock=clock,
    )
    ticking = asyncio.create_task(scheduler.keep_going())
    try:
        yield scheduler
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        await cluster.close()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen in time")


async def leave_running(workspace: Workspace, plan: Plan, codebase: Codebase) -> None:
    """Let a head begin a run, and go before that ends."""
    async with head(workspace, plan) as scheduler:
        waiting = asyncio.create_task(scheduler.run(codebase))
        await until(lambda: any(workspace.jobs.rglob("*.alive")))
        waiting.cancel()


async def test_codebases_that_are_ready_together_go_as_one_array(workspace: Workspace):
    codebases = [put(workspace, f"e00-i{n:03d}", toy.tree(value=1.5 + n / 10)) for n in range(5)]
    async with head(workspace, plan_of(workspace)) as scheduler:
        outcomes = await asyncio.gather(*(scheduler.run(one) for one in codebases))
    assert [round(one.metric, 1) for one in outcomes if isinstance(one, Scored)] == [
        1.5, 1.6, 1.7, 1.8, 1.9,
    ]  # fmt: skip
    assert len(list(workspace.jobs.iterdir())) == 1
    assert [row.idea_id for row in read_records(workspace.ledger, OutcomeRow)]


async def test_a_result_that_nobody_waits_for_any_more_is_entered_like_any_other(
    workspace: Workspace,
):
    first, second = (put(workspace, f"e00-i00{n}", toy.tree(value=1.5)) for n in range(2))
    async with head(workspace, plan_of(workspace)) as scheduler:
        waiting = asyncio.create_task(scheduler.run(first))
        await until(lambda: bool(scheduler.open))
        waiting.cancel()
        await until(lambda: bool(read_records(workspace.ledger, OutcomeRow)))
        assert isinstance(await asyncio.wait_for(scheduler.run(second), 10), Scored)


async def test_what_gets_ready_while_tasks_are_queued_is_gathered_into_one_array(
    workspace: Workspace,
):
    slow = toy.tree("import time; time.sleep(2)\n" + toy.HONEST)
    codebases = [put(workspace, f"e00-i{n:03d}", slow) for n in range(5)]
    plan = plan_of(workspace, budget_seconds=20.0)
    async with head(workspace, plan, replace(SETTINGS, gather_seconds=60)) as scheduler:

        def batches() -> int:
            return len(list(workspace.jobs.rglob("batch.json")))

        def running() -> int:
            return [run.state for run in scheduler.open.values()].count(TaskState.RUNNING)

        with scheduler.one_more_coming():
            waiting = [asyncio.create_task(scheduler.run(one)) for one in codebases[:2]]
            await until(lambda: running() == 2)
            assert batches() == 1
            waiting.append(asyncio.create_task(scheduler.run(codebases[2])))
            await until(lambda: batches() == 2)  # nothing of ours waited in the queue
            for one in codebases[3:]:
                waiting.append(asyncio.create_task(scheduler.run(one)))
                await asyncio.sleep(0.2)
            assert batches() == 2
        await asyncio.gather(*waiting)  # nothing more was coming: the rest went out together
    assert batches() == 3


async def test_keys_of_the_shell_do_not_reach_the_worker(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    nosy = toy.tree(f"""{toy.HONEST}
assert b"sk-secret" not in pathlib.Path(f"/proc/{{os.getppid()}}/environ").read_bytes()
""")
    async with head(workspace, plan_of(workspace)) as scheduler:
        assert isinstance(await scheduler.run(put(workspace, "e00-i000", nosy)), Scored)


async def test_a_second_wish_for_the_same_run_does_not_run_it_again(workspace: Workspace):
    codebase = put(workspace, "e00-i000", toy.tree())
    async with head(workspace, plan_of(workspace)) as scheduler:
        first = await scheduler.run(codebase)
        assert await scheduler.run(codebase) == first
    async with head(workspace, plan_of(workspace)) as scheduler:
        assert isinstance(await scheduler.run(codebase), Scored)
    assert len(read_records(workspace.ledger, Run)) == 1


async def test_a_result_that_came_in_while_no_head_was_there_is_adopted(workspace: Workspace):
    codebase = put(workspace, "e00-i000", toy.tree())
    async with head(workspace, plan_of(workspace)) as scheduler:
        waiting = asyncio.create_task(scheduler.run(codebase))
        await until(lambda: any(workspace.inbox.iterdir()) or waiting.done())
        waiting.cancel()
    ledger = workspace.ledger / "manifest.json"
    result = next(workspace.jobs.rglob("e00-i000.r0.a0.json"), None)
    if result is not None:  # collected already: put everything back as before the collection
        result.rename(workspace.inbox / result.name)
        ledger.unlink()
    async with head(workspace, plan_of(workspace)) as scheduler:
        assert isinstance(await scheduler.run(codebase), Scored)
    assert [run.attempt for run in read_records(workspace.ledger, Run)] == [0]


async def test_runs_cut_short_with_their_head_are_run_again(workspace: Workspace):
    slow = toy.tree("import time; time.sleep(3)\n" + toy.HONEST)
    codebases = [put(workspace, f"e00-i{n:03d}", slow) for n in range(3)]
    plan = plan_of(workspace, budget_seconds=20.0)
    async with head(workspace, plan) as scheduler:
        waiting = [asyncio.create_task(scheduler.run(one)) for one in codebases]
        await until(lambda: len(list(workspace.jobs.rglob("*.alive"))) == 2)
        for task in waiting:
            task.cancel()
    async with head(workspace, plan) as scheduler:
        outcomes = await asyncio.gather(*(scheduler.run(one) for one in codebases))
    assert all(isinstance(outcome, Scored) for outcome in outcomes)
    runs = {run.id: run.state for run in read_records(workspace.ledger, Run)}
    assert runs["e00-i002.r0.a0"] is RunState.COMPLETED, "what never started is no new attempt"
    assert runs["e00-i000.r0.a0"] is RunState.LOST
    assert runs["e00-i000.r0.a1"] is RunState.COMPLETED
    assert len(read_records(workspace.ledger, OutcomeRow)) == 3


async def test_what_waits_to_be_run_again_is_not_run_twice_for_being_asked_for(
    workspace: Workspace,
):
    codebase = put(workspace, "e00-i000", toy.tree("import time; time.sleep(2)\n" + toy.HONEST))
    plan = plan_of(workspace, budget_seconds=20.0)
    await leave_running(workspace, plan, codebase)
    cluster = this_machine()
    cluster.is_silent = True
    async with head(workspace, plan, cluster=cluster) as scheduler:
        await until(lambda: not scheduler.open)  # the first head's attempt counts as lost
        assert scheduler.ready_tasks == 1
        waiting = asyncio.create_task(scheduler.run(codebase))
        await asyncio.sleep(0.2)
        cluster.is_silent = False
        assert isinstance(await waiting, Scored)
    records = [Batch.from_json(one.read_bytes()) for one in workspace.jobs.rglob("batch.json")]
    run = [planned.key.name for record in records for planned in record.runs]
    assert sorted(run) == ["e00-i000.r0.a0", "e00-i000.r0.a1"]


async def test_a_clock_that_goes_backwards_lets_nobody_wait_for_ever(workspace: Workspace):
    """For company, for the end of a run whose head was killed, or for its result."""
    settings = replace(SETTINGS, gather_seconds=1, lost_after_seconds=1)
    codebase = put(workspace, "e00-i000", toy.tree("import time; time.sleep(3)\n" + toy.HONEST))
    plan = plan_of(workspace, budget_seconds=20.0)
    await leave_running(workspace, plan, codebase)
    back = head(workspace, plan, settings, clock=lambda: 2e9 - 1000 * time.monotonic())
    async with back as scheduler, asyncio.timeout(60):
        assert isinstance(await scheduler.run(codebase), Scored)


async def test_of_a_silent_scheduler_one_line_is_told_and_one_when_it_answers_again(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
):
    cluster = this_machine()
    cluster.is_silent = True
    async with head(workspace, plan_of(workspace), cluster=cluster) as scheduler:
        waiting = asyncio.create_task(scheduler.run(put(workspace, "e00-i000", toy.tree())))
        await until(lambda: bool(caplog.messages))
        await asyncio.sleep(5 * SETTINGS.tick_seconds)
        cluster.is_silent = False
        assert isinstance(await waiting, Scored)
    told = [text for text in caplog.messages if text.startswith("the scheduler")]
    assert told == [
        "the scheduler does not answer (no controller): nothing is concluded, we wait",
        "the scheduler answers again",
    ]


async def test_infrastructure_that_keeps_failing_ends_as_a_failed_outcome(workspace: Workspace):
    (workspace.folder.parent.parent / "env" / "score.py").write_text("raise SystemExit(1)")
    codebase = put(workspace, "e00-i000", toy.tree())
    async with head(workspace, plan_of(workspace)) as scheduler:
        outcome = await scheduler.run(codebase)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.attempt) == (Reason.SCORER_ERROR, SETTINGS.max_retries)
    assert len(read_records(workspace.ledger, OutcomeRow)) == 1
    assert len(read_records(workspace.ledger, Run)) == SETTINGS.max_retries + 1


async def test_a_cancelled_idea_has_failed_and_a_cancelled_baseline_is_run_again(
    workspace: Workspace,
):
    slow = toy.tree("import time; time.sleep(2)\n" + toy.HONEST)
    codebases = [put(workspace, name, slow) for name in (BASELINE, "e00-i000")]
    cluster = this_machine()
    async with head(
        workspace, plan_of(workspace, budget_seconds=20.0), cluster=cluster
    ) as scheduler:
        waiting = [asyncio.create_task(scheduler.run(one)) for one in codebases]
        await until(lambda: len(list(workspace.jobs.rglob("*.alive"))) == 2)
        cluster.cancelled = tuple({run.batch.name for run in scheduler.open.values()})
        await cluster.cancel(scheduler.open_arrays())
        baseline, idea = await asyncio.gather(*waiting)
    assert isinstance(baseline, Scored)
    assert isinstance(idea, Failed)
    assert idea.reason is Reason.CANCELLED


def test_of_a_ledger_without_their_outcomes_only_the_cancelled_idea_has_failed(
    workspace: Workspace,
):
    """A head may die before it submits the baseline again."""
    cancelled: dict[str, Any] = {
        "state": RunState.CANCELLED,
        "stage": Stage.TRAIN,
        "reason": Reason.CANCELLED,
    }
    book = book_of(workspace)
    book.enter([run(name, **cancelled) for name in (BASELINE, "e00-i000")])
    with pytest.warns(LostRows, match=r"of these runs: e00-i000\.r0\.a0:"):
        Restoring(workspace=workspace, book=book, metric=LOSS).restore()
    assert [*book.outcomes] == [("e00-i000", 0)]


async def test_an_idea_that_crashes_is_not_tried_again(workspace: Workspace):
    codebase = put(workspace, "e00-i000", toy.tree("raise ValueError('mine')"))
    async with head(workspace, plan_of(workspace)) as scheduler:
        outcome = await scheduler.run(codebase)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.attempt) == (Reason.CRASH, 0)
    assert "ValueError: mine" in outcome.detail


async def test_an_implausible_score_is_withheld(workspace: Workspace):
    codebase = put(workspace, "e00-i000", toy.tree(value=0.01))
    async with head(workspace, plan_of(workspace)) as scheduler:
        outcome = await scheduler.run(codebase)
    assert isinstance(outcome, Withheld)
    assert (outcome.reason, outcome.metric) == (Reason.IMPLAUSIBLE, 0.01)


async def test_foreign_and_torn_files_in_the_inbox_are_set_aside(workspace: Workspace):
    (workspace.inbox / "notes.txt").write_text("mine")
    (workspace.inbox / "e00-i000.r0.a0.json").write_text('{"key": ')
    codebase = put(workspace, "e00-i001", toy.tree())
    async with head(workspace, plan_of(workspace)) as scheduler:
        assert isinstance(await scheduler.run(codebase), Scored)
    assert (workspace.inbox / ".aside-notes.txt").read_text() == "mine"


async def test_a_result_that_is_seen_twice_counts_once(workspace: Workspace):
    codebase = put(workspace, "e00-i000", toy.tree())
    async with head(workspace, plan_of(workspace)) as scheduler:
        await scheduler.run(codebase)
        await until(lambda: not any(workspace.inbox.glob("*.json")))
        record = next(workspace.jobs.rglob("e00-i000.r0.a0.json"))
        (workspace.inbox / record.name).write_bytes(record.read_bytes())
        await until(lambda: not any(workspace.inbox.glob("*.json")))
    assert len(read_records(workspace.ledger, OutcomeRow)) == 1
    assert len(read_records(workspace.ledger, Run)) == 1
