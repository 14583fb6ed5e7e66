"""The worker in a Slurm job: it starts in seconds, and leaves nothing on the node's own disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from airr.batch import Command, Result
from airr.cluster.protocol import TaskState
from airr.executor.codebases import Tree
from airr.nodelocal import node_folder
from airr.records import Reason
from tests import toy
from tests.slurm.bench import PLAIN, SESSION, all_are, backend, until, worker_array
from tests.slurm.cluster import VirtualCluster
from tests.slurm.daemons import wait_until

pytestmark = pytest.mark.long

ENDLESS = "import time; print('training', flush=True); time.sleep(600)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.make_env(tmp_path)
    return tmp_path


def batch_of(folder: Path, codebase: Tree, **changes: object) -> Path:
    plan = toy.plan(folder, budget_seconds=100.0, **changes)
    return toy.write_batch(folder, codebase, plan, f"airr-{folder.name}-{SESSION}")


def result_in(folder: Path) -> Result:
    return Result.from_json((folder / "inbox" / "e00-i000.r0.a0.json").read_bytes())


def left_of(batch_file: Path) -> list[str]:
    return [path.name for path in node_folder().glob(f"{batch_file.parent.name}*")]


def processes_of(batch_file: Path) -> list[psutil.Process]:
    """Return the processes that have this batch on their command line: worker, srun and step."""
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if str(batch_file) in (one.info["cmdline"] or ())]


def holds(batch_file: Path) -> Callable[[], bool]:
    """Return the claim that a candidate is in training."""
    return lambda: (
        len(processes_of(batch_file)) >= 2
        and (node_folder() / f"{batch_file.parent.name}-0" / "output").exists()
        and (batch_file.parent / "e00-i000.r0.a0.alive").exists()
    )


@pytest.mark.parametrize(
    ("codebase", "reason"),
    [(toy.tree(), None), (toy.tree("raise SystemExit('no')"), Reason.CRASH)],
    ids=["success", "failure"],
)
async def test_a_run_that_ends_leaves_nothing(
    cluster: VirtualCluster, folder: Path, codebase: Tree, reason: Reason | None
):
    batch_file = batch_of(folder, codebase)
    array, slurm = worker_array(batch_file), backend(cluster)
    await slurm.submit(array)
    await until(slurm, array, all_are(TaskState.COMPLETED), seconds=60)
    assert result_in(folder).reason is reason
    assert left_of(batch_file) == []


async def test_a_cancelled_run_leaves_nothing_but_the_word_that_it_was_stopped(
    cluster: VirtualCluster, folder: Path
):
    batch_file = batch_of(folder, toy.tree(ENDLESS))
    array, slurm = worker_array(batch_file), backend(cluster)
    await slurm.submit(array)
    wait_until("a training", holds(batch_file), seconds=60)
    await slurm.cancel([array])
    await until(slurm, array, all_are(TaskState.CANCELLED))
    wait_until("its processes to be gone", lambda: not processes_of(batch_file))
    assert result_in(folder).reason is Reason.PREEMPTED
    assert left_of(batch_file) == []


async def test_what_a_killed_worker_left_the_next_one_on_the_node_removes(
    cluster: VirtualCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    # a node's disk of its own: any worker on this machine would remove it
    disk = folder / "disk"
    disk.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(disk))
    batch_file = batch_of(folder, toy.tree(ENDLESS))
    slurm = backend(cluster, replace(PLAIN, setup=(f"export TMPDIR={disk}",)))
    array = worker_array(batch_file)
    await slurm.submit(array)
    wait_until("a training", holds(batch_file), seconds=60)
    for process in processes_of(batch_file):
        if "airr.worker" in process.info["cmdline"]:
            process.kill()
    # Slurm takes a batch script that was killed so for one that the node could not launch
    await until(slurm, array, all_are(TaskState.FAILED, TaskState.NODE_FAIL))
    wait_until("its processes to be gone", lambda: not processes_of(batch_file))
    assert left_of(batch_file), "a worker that was killed could not clean up"
    after = folder / "after"
    toy.make_env(after)
    (after / "jobs").mkdir(exist_ok=True)
    follower = batch_of(after, toy.tree())
    await slurm.submit(worker_array(follower))
    await until(slurm, worker_array(follower), all_are(TaskState.COMPLETED), seconds=60)
    assert left_of(batch_file) == []


async def test_a_training_begins_within_seconds_of_its_job(cluster: VirtualCluster, folder: Path):
    """Patience for a machine that is busy with other things; about half a second is usual."""
    began = folder / "began"
    settings = replace(PLAIN, setup=(f"date +%s.%N > {began}",))
    train = Command(
        argv=("/bin/sh", "-c", f"date +%s.%N > {folder}/trains; {{python}} train.py"),
        environment={},
    )
    slurm = backend(cluster, settings)
    array = worker_array(batch_of(folder, toy.tree(), train=train, sandbox="none"))
    await slurm.submit(array)
    await until(slurm, array, all_are(TaskState.COMPLETED), seconds=60)
    took = float((folder / "trains").read_text()) - float(began.read_text())
    print(f"the training began {took:.2f} s after its job")
    assert took < 10
