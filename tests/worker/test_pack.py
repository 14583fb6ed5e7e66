"""One array task of several runs as a real process: told to stop, killed, short of GPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from airr.batch import Result
from airr.nodelocal import node_folder
from airr.records import Reason
from tests import toy

SLEEP = "import pathlib, time; pathlib.Path('trains').touch(); time.sleep(600)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.make_env(tmp_path)
    return tmp_path


def batch_of(folder: Path, train: str, count: int, **changes: object) -> Path:
    plan = toy.plan(folder, **{"budget_seconds": 60.0} | changes)
    return toy.write_batch(folder, toy.tree(train), plan, f"airr-{folder.name}", count, pack=8)


def start(batch_file: Path, **added: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airr.worker.pack", str(batch_file), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | added,
    )


def results_in(folder: Path) -> list[Result]:
    return [Result.from_json(file.read_bytes()) for file in sorted((folder / "inbox").iterdir())]


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def trainings(batch_file: Path) -> int:
    return len(list(node_folder().glob(f"{batch_file.parent.name}-*/codebase/trains")))


TOLD = {
    signal.SIGTERM: [Reason.PREEMPTED] * 3,
    signal.SIGUSR1: [Reason.TIMEOUT] * 3,
    signal.SIGINT: [],
}
"""A signal to the pack -> what its workers record."""


@pytest.mark.parametrize("number", TOLD)
def test_every_worker_hears_what_the_pack_alone_is_told(folder: Path, number: signal.Signals):
    """Slurm warns of the time limit with SIGUSR1, and nobody but the batch script hears it."""
    batch_file = batch_of(folder, SLEEP, 3)
    with start(batch_file) as pack:
        wait_until(lambda: trainings(batch_file) == 3)
        pack.send_signal(number)
        output, _ = pack.communicate(timeout=30)
    assert pack.returncode == 0, output
    reasons = [result.reason for result in results_in(folder)]
    assert reasons == TOLD[number]
    assert not list(node_folder().glob(f"{batch_file.parent.name}*"))


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
def test_a_killed_pack_takes_everything_with_it(folder: Path, sandbox: str):
    batch_file = batch_of(folder, SLEEP, 3, sandbox=sandbox)
    with start(batch_file) as pack:
        wait_until(lambda: trainings(batch_file) == 3)
        below = psutil.Process(pack.pid).children(recursive=True)
        assert len(below) >= 6, "a worker and a training for each run"
        pack.kill()
    _, alive = psutil.wait_procs(below, timeout=5)
    assert not alive
    assert not results_in(folder)


def test_a_worker_that_dies_is_reported_while_its_neighbours_go_on(folder: Path):
    batch_file = batch_of(folder, SLEEP, 2)
    with start(batch_file) as pack:
        wait_until(lambda: trainings(batch_file) == 2)
        first, *_ = psutil.Process(pack.pid).children()
        first.kill()
        wait_until(lambda: len(results_in(folder)) == 1)
        (lost,) = results_in(folder)
        assert (lost.key.idea_id, lost.reason) == ("e00-i000", Reason.LOST)
        assert "died with signal 9" in lost.detail
        assert 0 < lost.ended_at - lost.started_at < 20
        pack.terminate()
        pack.communicate(timeout=30)
    assert [result.reason for result in results_in(folder)] == [Reason.LOST, Reason.PREEMPTED]
    assert pack.returncode == 1


def test_runs_for_which_the_node_lacks_gpus_are_the_node_s_fault_and_no_other_s(folder: Path):
    batch_file = batch_of(folder, toy.HONEST, 3, gpus=2, sandbox="none")
    with start(batch_file, CUDA_VISIBLE_DEVICES="0,1,2,3,7") as pack:
        pack.communicate(timeout=60)
    *served, lacking = results_in(folder)
    assert [result.metric for result in served] == [2.0, 2.0]
    assert lacking.reason is Reason.NODE_FAIL
    assert lacking.detail == "the run takes 2 GPUs, and the node has 1 for it"
