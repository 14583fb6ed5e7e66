"""A crash at the start of the real run: mended, run again, and nothing of it done twice."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from airr.book import Book
from airr.budget import Bound
from airr.cluster.local import Local
from airr.cluster.slots import Machine, Slots
from airr.errors import WorkspaceError
from airr.executor.codebases import sha256_of
from airr.executor.executor import Executor
from airr.executor.jobs import Scheduler
from airr.executor.mending import Mending
from airr.executor.patches import Implementer
from airr.ledger import Ledger, read_records
from airr.llm.journal import Journal
from airr.llm.protocol import Completion, Purpose, Request
from airr.records import BASELINE, Failed, Outcome, OutcomeRow, Patch, Reason, Run, Scored, Stage
from airr.workspace import Workspace
from tests import asking, builders, toy
from tests.executor.test_jobs import SETTINGS, plan_of
from tests.executor.test_patches import Checks
from tests.scripted import answer

Row = TypeVar("Row", Patch, Run, OutcomeRow)
IDEA = builders.idea(3)
TRAIN = toy.tree()["train.py"]


def diff(added: str) -> str:
    lines = "".join(f" {line}\n" for line in TRAIN.splitlines()[1:3])
    more = "".join(f"+{line}\n" for line in added.splitlines())
    return f"```diff\n--- a/train.py\n+++ b/train.py\n@@\n{lines}{more}```\n"


CRASHES = diff('raise NameError("no such name")')
CRASHES_TOO = diff('raise NameError("nor this one")')
RUNS = diff("VALUE = VALUE - 0.5")
STALE = RUNS.replace("import", "imports")


@pytest.mark.parametrize(
    ("outcome", "mended", "expected"),
    [
        (builders.failed("e00-i000", train_seconds=59.0), 0, True),
        (builders.failed("e00-i000", train_seconds=60.0), 0, False),
        (builders.failed("e00-i000", train_seconds=1.0), 1, False),
        (builders.failed("e00-i000", train_seconds=1.0, repeat=1), 0, False),
        (builders.failed("e00-i000", train_seconds=1.0, stage=Stage.SCORE), 0, False),
        (builders.failed("e00-i000", Reason.OOM, train_seconds=1.0), 0, False),
        (builders.failed(BASELINE, train_seconds=1.0), 0, False),
        (builders.scored("e00-i000", 1.0), 0, False),
    ],
)
def test_a_crash_in_the_first_minute_of_an_ideas_first_run_is_mended(
    outcome: Outcome, mended: int, expected: bool
):
    assert Mending(runs=1, seconds=60).is_due(outcome, mended) is expected


@dataclass
class Model:
    """A provider that gives one answer for each revision, and remembers what it was asked."""

    answers: Mapping[int, str]
    asked: list[Request] = field(default_factory=list)
    name: str = "scripted"

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        return answer(self.answers[int(request.id.rpartition("/r")[2])])


class Fuse:
    """Lets so many guarded steps pass, and then ends the head for good."""

    def __init__(self, steps: float) -> None:
        self.left = steps

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise WorkspaceError("killed")


@dataclass
class Ground:
    """A campaign of one idea, whose head may be started again and again."""

    workspace: Workspace
    model: Model
    checks: Checks = field(default_factory=Checks)
    runs: int = 1

    async def go_on(
        self, steps: float = float("inf"), until: Callable[[Scheduler], bool] = lambda _: False
    ) -> Outcome | None:
        """Run a head until the idea has its outcome, or until something is seen; then kill it.

        Raises:
            WorkspaceError: it was killed after so many steps.
        """
        fuse = Fuse(steps)
        providers = dict.fromkeys(Purpose, self.model)
        journal = Journal(self.workspace.journal, {**providers}, {}, guard=fuse)
        book = Book(Ledger(self.workspace.ledger, guard=fuse), journal)
        cluster = Local(Slots(Machine(cpus=2, gpus=0)))
        scheduler = Scheduler(
            workspace=self.workspace,
            book=book,
            cluster=cluster,
            plan=plan_of(self.workspace),
            metric=builders.LOSS,
            settings=SETTINGS,
            seed=0,
            uid="abc123",
            clock=time.time,
            mending=Mending(runs=self.runs, seconds=60),
        )
        executor = Executor(
            workspace=self.workspace,
            book=book,
            implementer=self._implementer(journal),
            scheduler=scheduler,
            baseline=toy.tree(),
            at_once=1,
            gpu=Bound("budget.gpu_hours", None, lambda: 0.0, written="{}"),
            run_gpu_hours=0.0,
            now=lambda: builders.NOON,
        )
        ticking = asyncio.create_task(scheduler.keep_going())
        taken = asyncio.create_task(_first(executor))
        while not (taken.done() or ticking.done() or until(scheduler)):
            await asyncio.wait([taken, ticking], timeout=0.02)
        done = {task for task in (taken, ticking) if task.done()}
        for task in (taken, ticking):
            task.cancel()
        await asyncio.gather(taken, ticking, return_exceptions=True)
        await cluster.close()
        journal.close()
        return (taken if taken in done else ticking).result() if done else None

    def _implementer(self, journal: Journal) -> Implementer:
        return asking.implementer(
            journal.ask,
            holds=journal.holds,
            preflight=self.checks,
            how=replace(builders.IMPLEMENT, revisions=1),
        )

    def rows(self, kind: type[Row]) -> list[Row]:
        return read_records(self.workspace.ledger, kind)

    def patches(self) -> list[tuple[int, str | None, bool]]:
        rows = self.rows(Patch)
        return sorted((patch.revision, patch.mends, patch.applied) for patch in rows)

    def ended(self) -> list[tuple[str, Reason | None]]:
        return sorted((run.id, run.reason) for run in self.rows(Run))


async def _first(executor: Executor) -> Outcome:
    (outcome,) = [outcome async for outcome in executor.run([IDEA])]
    return outcome


@pytest.fixture
def ground(tmp_path: Path) -> Callable[..., Ground]:
    toy.make_env(tmp_path)
    workspace = Workspace(tmp_path / "runs" / tmp_path.name)
    workspace.create()
    return lambda *answers, **more: Ground(workspace, Model(dict(enumerate(answers))), **more)


FIRST = f"{IDEA.id}.r0.a0"


async def test_a_mended_patch_runs_as_a_further_attempt_of_its_idea(ground):
    it = ground(CRASHES, RUNS)
    outcome = await it.go_on()
    assert isinstance(outcome, Scored)
    assert (outcome.attempt, outcome.metric) == (1, 1.5)
    assert it.patches() == [(0, None, True), (1, FIRST, True)]
    assert it.ended() == [(FIRST, Reason.CRASH), (f"{IDEA.id}.r0.a1", None)]
    first, second = sorted(it.rows(Run), key=lambda run: run.attempt)
    assert first.codebase_sha256 != second.codebase_sha256
    assert sha256_of(it.workspace.codebase(IDEA.id).read_bytes()) == second.codebase_sha256
    assert "NameError: no such name" in first.detail
    conversation = it.model.asked[1].messages
    assert [message.role for message in conversation] == ["user", "assistant", "user"]
    assert 'raise NameError("no such name")' in conversation[1].text
    assert "NameError: no such name" in conversation[2].text
    assert len(it.checks.tried) == 2, "the mended patch passes the preflight too"


async def test_a_head_that_is_killed_at_every_step_mends_and_runs_once(ground):
    it = ground(CRASHES, RUNS)
    kills, outcome = 0, None
    while outcome is None:
        try:
            outcome = await it.go_on(steps=1)
        except WorkspaceError:
            kills += 1
            assert kills < 10, "it does not get on"
    assert kills >= 5, "requests, patches and runs are steps of their own"
    assert isinstance(outcome, Scored)
    assert [request.id for request in it.model.asked] == [f"{IDEA.id}/s0/r{n}" for n in (0, 1)]
    assert it.patches() == [(0, None, True), (1, FIRST, True)]
    assert it.ended() == [(FIRST, Reason.CRASH), (f"{IDEA.id}.r0.a1", None)]
    assert len(it.rows(OutcomeRow)) == 1


async def test_a_head_that_is_killed_under_the_mended_run_does_not_mend_again(ground):
    it = ground(CRASHES, diff("import time; time.sleep(1)\nVALUE = 1.5"))
    assert await it.go_on(until=lambda scheduler: f"{IDEA.id}.r0.a1" in scheduler.open) is None
    outcome = await it.go_on()
    assert isinstance(outcome, Scored)
    assert outcome.metric == 1.5
    assert len(it.model.asked) == 2
    assert it.patches() == [(0, None, True), (1, FIRST, True)]


async def test_a_patch_that_cannot_be_mended_ends_as_the_crash_it_was(ground):
    it = ground(CRASHES, CRASHES, STALE)
    outcome = await it.go_on()
    assert isinstance(outcome, Failed)
    assert (outcome.stage, outcome.reason, outcome.attempt) == (Stage.TRAIN, Reason.CRASH, 0)
    assert "no such name" in outcome.detail
    _, same, stale = sorted(it.rows(Patch), key=lambda patch: patch.revision)
    assert (same.reason, stale.reason) == (Reason.EMPTY_PATCH, Reason.NO_PATCH)
    assert "it crashed in its real run" in same.detail
    assert it.ended() == [(FIRST, Reason.CRASH)]
    assert len(it.checks.tried) == 1, "the same patch costs no second preflight"
    again = await it.go_on()
    assert (again.attempt, len(it.model.asked)) == (0, 3), "what is settled is not done again"


async def test_a_mended_patch_that_crashes_too_is_the_end_after_so_many_runs(ground):
    it = ground(CRASHES, STALE, CRASHES_TOO, RUNS)
    outcome = await it.go_on()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.attempt) == (Reason.CRASH, 1)
    assert "nor this one" in outcome.detail
    assert it.patches() == [(0, None, True), (1, FIRST, False), (2, FIRST, True)]
    assert len(it.rows(OutcomeRow)) == 1


async def test_without_repair_runs_a_crash_is_the_end(ground):
    it = ground(CRASHES, RUNS, runs=0)
    outcome = await it.go_on()
    assert isinstance(outcome, Failed)
    assert len(it.model.asked) == 1
    assert it.patches() == [(0, None, True)]


async def test_a_mended_patch_has_as_many_attempts_as_any_if_its_node_is_to_blame(
    ground, tmp_path: Path
):
    it = ground(CRASHES, RUNS)
    (tmp_path / "env" / "score.py").write_text("raise SystemExit(1)")
    outcome = await it.go_on()
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.attempt) == (Reason.SCORER_ERROR, 1 + SETTINGS.max_retries)
    assert [reason for _, reason in it.ended()] == [Reason.CRASH, *[Reason.SCORER_ERROR] * 3]
