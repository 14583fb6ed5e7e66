"""What ends with a head on this machine is taken back, and nothing else is."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from airr.batch import Result
from airr.cluster.local import Local
from airr.cluster.protocol import TaskId
from airr.cluster.slots import Machine, Slots
from airr.executor.openruns import open_runs_in
from airr.lease import Lease
from airr.policy.orders import StageKind
from airr.policy.stages import last_failure, open_orders
from airr.records import Reason, RunKey, Stage
from airr.withdrawal import let_go
from airr.workspace import Workspace
from tests import toy
from tests.policy.builders import make_order

BATCH = "airr-toy-b0000"


class Ending(Local):
    """A cluster of which these tasks are said to end with it."""

    def __init__(self, *ended: TaskId) -> None:
        super().__init__(Slots(Machine(cpus=1, gpus=0)))
        self._ending = frozenset(ended)

    async def close(self) -> Collection[TaskId]:  # type: ignore[override]
        return self._ending


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A campaign with three open runs of one batch."""
    toy.make_env(tmp_path)
    workspace = Workspace(tmp_path)
    workspace.create()
    toy.write_batch(tmp_path, toy.tree(), toy.plan(tmp_path), BATCH, count=3)
    return workspace


def put_result(workspace: Workspace, number: int, **fields: object) -> None:
    key = RunKey(idea_id=f"e00-i{number:03d}")
    told = {"node": "n", "job_id": "1", "started_at": 0.0, "ended_at": 1.0}
    result = Result(key=key, batch=BATCH, **told | fields)  # type: ignore[arg-type]
    workspace.result(key).write_text(result.to_json())


async def test_a_run_that_ended_with_its_head_is_open_no_more_and_one_with_a_result_is(
    workspace: Workspace,
):
    put_result(workspace, 1, metric=1.0)
    await let_go(Ending((BATCH, 0), (BATCH, 1)), workspace, Lease.acquire(workspace.lease))
    assert [*open_runs_in(workspace)] == ["e00-i001.r0.a0", "e00-i002.r0.a0"]


async def test_the_word_of_a_worker_that_it_was_told_to_stop_is_no_result(workspace: Workspace):
    put_result(workspace, 0, stage=Stage.TRAIN, reason=Reason.PREEMPTED)
    await let_go(Ending((BATCH, 0)), workspace, Lease.acquire(workspace.lease))
    assert "e00-i000.r0.a0" not in open_runs_in(workspace)
    assert not [*workspace.inbox.iterdir()]


async def test_a_job_of_the_policy_that_ended_with_its_head_makes_room_for_the_next(
    workspace: Workspace,
):
    order = make_order(workspace.stage("e00-sample"), Path("model"), StageKind.SAMPLE)
    order.file.write_text(order.to_json())
    assert open_orders(workspace) == [order]
    await let_go(Ending((order.name, 0)), workspace, Lease.acquire(workspace.lease))
    assert open_orders(workspace) == []
    assert "ended with its head" in last_failure(workspace.stage("e00-sample"))


async def test_who_was_taken_over_takes_nothing_back(workspace: Workspace):
    lease = Lease.acquire(workspace.lease)
    (workspace.lease / "00000002.json").write_text("{}")
    await let_go(Ending((BATCH, 0)), workspace, lease)
    assert "e00-i000.r0.a0" in open_runs_in(workspace)
