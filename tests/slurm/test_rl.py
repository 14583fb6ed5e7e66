"""Reinforcement learning on a real Slurm: its three stages as jobs, killed and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airr.ledger import load
from tests.campaigns import Command, assert_nothing_is_double
from tests.slurm.cluster import VirtualCluster
from tests.slurm.test_campaign import HASTE, jobs_by_name
from tests.test_rl import make_model, settings

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def command(cluster: VirtualCluster, model: Path, tmp_path: Path) -> Command:
    overrides = [*settings(tmp_path, model), *HASTE]
    return Command(overrides, tmp_path / "log.txt", cluster.environment, verb="rl")


def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stage_jobs(cluster: VirtualCluster, folder: Path) -> dict[str, set[str]]:
    """Return the ids of the jobs on the policy, by the names of their orders."""
    jobs = jobs_by_name(cluster)
    orders = folder.glob("stages/*/order-*.json")
    return {
        name: jobs.get(name, set())
        for path in orders
        for name in [path.read_text().split('"name": "')[1].split('"')[0]]
    }


def test_the_stages_are_jobs_of_their_own_under_srun_and_torchrun(
    cluster: VirtualCluster, command: Command, tmp_path: Path
):
    command.finish()
    folder = tmp_path / "runs" / "toy"
    assert load(folder).updates.epoch.tolist() == [0, 1]
    jobs = stage_jobs(cluster, folder)
    assert len(jobs) == 4
    assert all(len(ids) == 1 for ids in jobs.values())
    steps = cluster.run(
        "sacct", "--allusers", "--noheader", "--parsable2", "--starttime=2020-01-01",
        f"--name={','.join(jobs)}", "--format=JobID,JobName",
    ).stdout  # fmt: skip
    assert steps.count(".0|") == 4, "each has one step, which srun began"


@pytest.mark.parametrize("stage", ["e00-sample", "e00-update", "e01-sample"])
def test_a_head_killed_in_a_stage_is_followed_by_one_that_finds_its_job(
    cluster: VirtualCluster, command: Command, tmp_path: Path, stage: str
):
    folder = tmp_path / "runs" / "toy"
    with command.running() as head:
        until(lambda: any((folder / "stages" / stage).glob("order-0.json")))
        head.send_signal(signal.SIGKILL)
    command.finish()
    assert load(folder).updates.epoch.tolist() == [0, 1]
    assert_nothing_is_double(folder)
    assert all(len(ids) == 1 for ids in stage_jobs(cluster, folder).values())


def test_a_job_on_the_policy_that_is_killed_is_followed_by_another(
    cluster: VirtualCluster, command: Command, tmp_path: Path
):
    folder = tmp_path / "runs" / "toy"
    stage = folder / "stages" / "e00-sample"
    with command.running() as head:
        until(lambda: any(stage.glob("alive-0")))
        (name,) = stage_jobs(cluster, folder)
        cluster.run("scancel", "--signal=KILL", "--full", f"--name={name}")
        assert head.wait(timeout=180) == 0, command.log.read_text()[-3000:]
    assert (stage / "failure-0.json").exists()
    assert load(folder).updates.epoch.tolist() == [0, 1]


def test_turns_complete_a_campaign(cluster: VirtualCluster, command: Command, tmp_path: Path):
    # with such a tick, whoever waits for the cluster within a turn is found out by the time limit
    patient = [one for one in command.overrides if "tick_seconds" not in one]
    overrides = [*patient, "cluster.tick_seconds=300"]
    said: list[str] = []
    for _ in range(60):
        turn = subprocess.run(
            [sys.executable, "-m", "airr.rl", *overrides, "once=true"],
            capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | cluster.environment,
        )  # fmt: skip
        assert turn.returncode == 0, turn.stderr
        said.append(turn.stdout)
        if "\ncomplete" in turn.stdout:
            break
        time.sleep(1)
    folder = tmp_path / "runs" / "toy"
    assert load(folder).updates.epoch.tolist() == [0, 1], said
    assert_nothing_is_double(folder)
    assert all(len(ids) == 1 for ids in stage_jobs(cluster, folder).values())
    assert any("waits for e00-sample, a job on the policy" in one for one in said), said


def test_cancel_ends_the_job_on_the_policy_too(
    cluster: VirtualCluster, command: Command, tmp_path: Path
):
    folder = tmp_path / "runs" / "toy"
    with command.running():
        until(lambda: any((folder / "stages" / "e00-sample").glob("alive-0")))
        done = subprocess.run(
            [sys.executable, "-m", "airr.cancel", f"campaign={folder}"],
            capture_output=True, text=True, timeout=120, check=True,
            env=os.environ | cluster.environment,
        )  # fmt: skip
    assert "e00-sample" in done.stdout
    (name,) = stage_jobs(cluster, folder)
    queued = cluster.run("squeue", "--noheader", "--format=%j").stdout.split()
    assert name not in queued
    command.finish()
    assert load(folder).updates.epoch.tolist() == [0, 1]
