"""Runs that share a node on a real Slurm: each with its own part of it, none in another's way."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from airr.batch import Plan, Result
from airr.cluster.protocol import JobArray, TaskState
from airr.cluster.sbatch import script_options
from airr.executor.arrays import array_of
from airr.ledger import load
from airr.nodelocal import node_folder
from airr.packing import Packing
from airr.records import Reason
from tests import toy
from tests.campaigns import Command, assert_nothing_is_double
from tests.slurm.bench import PLAIN, SESSION, all_are, backend, until, worker_array
from tests.slurm.cluster import VirtualCluster
from tests.slurm.people import HASTE, airr, held_campaign, jobs_of

TELL = """\
import json, os, pathlib, time
here = {name: os.environ[name] for name in ("CUDA_VISIBLE_DEVICES", "MASTER_PORT", "AIRR_OUT")}
here["cpus"] = sorted(os.sched_getaffinity(0))
print(json.dumps(here))
gpu = here["CUDA_VISIBLE_DEVICES"]
"""
"""A training tells what it was given; `gpu` tells it from its neighbours."""

MEET = """\
import socket
meeting = pathlib.Path(os.environ["AIRR_DATA"], "meeting")
listener = socket.create_server(("127.0.0.1", int(here["MASTER_PORT"])))
(meeting / gpu).touch()
while len(list(meeting.iterdir())) < {count}:
    time.sleep(0.05)
"""
"""Nobody goes on before all are there: they do run side by side. Without a sandbox only."""

SLEEP = "(pathlib.Path(here['AIRR_OUT']) / 'trains').touch(); time.sleep(600)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.make_env(tmp_path)
    (tmp_path / "train_data" / "meeting").mkdir()
    return tmp_path


def one_gpu(folder: Path, **changes: object) -> Plan:
    return toy.plan(folder, **{"gpus": 1, "budget_seconds": 30.0, "sandbox": "none"} | changes)


def packed(folder: Path, train: str, plan: Plan, count: int) -> Path:
    """Write a batch of which one task runs all, and return its record."""
    codebase = toy.tree(TELL + train)
    name = f"airr-{folder.name}-{SESSION}"
    return toy.write_batch(folder, codebase, plan, name, count, pack=8)


async def submitted(cluster: VirtualCluster, batch_file: Path, **settings: Any) -> JobArray:
    array = worker_array(batch_file)
    assert array.indices == (0,), "they share one task"
    await backend(cluster, replace(PLAIN, **settings)).submit(array)
    return array


async def results_of(folder: Path, count: int, seconds: float = 45) -> list[Result]:
    """Return the results of a batch's runs once all are in."""
    for _ in range(int(seconds / 0.1)):
        if len(list((folder / "inbox").glob("[!.]*"))) == count:
            break
        await asyncio.sleep(0.1)
    files = [folder / "inbox" / f"e00-i{index:03d}.r0.a0.json" for index in range(count)]
    return [Result.from_json(file.read_bytes()) for file in files]


def told_by(results: list[Result]) -> list[Mapping[str, Any]]:
    return [json.loads(result.log_tail.splitlines()[0]) for result in results]


def processes_of(batch_file: Path) -> list[psutil.Process]:
    name = batch_file.parent.name
    found = psutil.process_iter(["cmdline", "cwd"])
    return [one for one in found if name in str(one.info["cmdline"]) + str(one.info["cwd"])]


async def wait_for(what: str, holds: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.1)):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


async def until_they_train(batch_file: Path, count: int) -> None:
    """Wait until `count` runs of a batch whose candidates sleep are being trained."""
    marks = f"{batch_file.parent.name}-*/output/trains"
    await wait_for("trainings", lambda: len(list(node_folder().glob(marks))) == count)


async def test_eight_candidates_on_one_node_each_have_a_gpu_a_port_and_a_folder_of_their_own(
    cluster: VirtualCluster, folder: Path
):
    train = MEET.format(count=8) + toy.HONEST
    batch_file = packed(folder, train, one_gpu(folder), 8)
    array = await submitted(cluster, batch_file)
    results = await results_of(folder, 8)
    assert [result.metric for result in results] == [2.0] * 8
    told = told_by(results)
    assert sorted(one["CUDA_VISIBLE_DEVICES"] for one in told) == [*"01234567"]
    assert len({one["MASTER_PORT"] for one in told}) == 8
    assert len({one["AIRR_OUT"] for one in told}) == 8
    if len(os.sched_getaffinity(0)) < 8:
        assert all(set(one["cpus"]) == os.sched_getaffinity(0) for one in told), "they share all"
    assert len({(result.node, result.job_id) for result in results}) == 1
    assert results[0].job_id.endswith("_0")
    await until(backend(cluster), array, all_are(TaskState.COMPLETED))
    assert not list(node_folder().glob(f"{array.name}*")), "a folder was left behind"
    assert not processes_of(batch_file)


async def test_candidates_keep_to_the_gpus_and_cpus_of_their_own_in_a_sandbox_too(
    cluster: VirtualCluster, folder: Path
):
    plan = one_gpu(folder, gpus=2, sandbox="bubblewrap")
    batch_file = packed(folder, toy.HONEST, plan, 2)
    await submitted(cluster, batch_file, gres="gpu:h100")
    results = await results_of(folder, 2)
    assert [result.metric for result in results] == [2.0] * 2
    first, second = told_by(results)
    assert (first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]) == ("0,1", "2,3")
    assert len(first["cpus"]) == len(second["cpus"]) == 1
    assert first["cpus"] != second["cpus"]


async def test_what_befalls_a_candidate_or_its_worker_leaves_the_neighbours_alone(
    cluster: VirtualCluster, folder: Path
):
    train = """\
if gpu == "0": raise RuntimeError("this one crashes")
if gpu == "1": x = bytearray(700_000_000); time.sleep(600)
if gpu == "2": time.sleep(600)
if gpu == "3": os.kill(os.getppid(), 9); time.sleep(600)
time.sleep(4)
"""
    plan = one_gpu(folder, budget_seconds=8.0)
    batch_file = packed(folder, train + toy.HONEST, plan, 5)
    array = await submitted(cluster, batch_file)
    results = await results_of(folder, 5)
    assert [result.reason for result in results] == [
        Reason.CRASH, Reason.OOM, Reason.OVER_BUDGET, Reason.LOST, None,
    ]  # fmt: skip
    assert results[4].metric == 2.0
    assert "the worker died with signal 9" in results[3].detail
    assert 0 < results[3].ended_at - results[3].started_at < 8, "it is told at once"
    await until(backend(cluster), array, all_are(TaskState.FAILED))
    assert not processes_of(batch_file)


async def test_a_preempted_task_ends_with_all_of_its_runs_and_they_say_why(
    cluster: VirtualCluster, folder: Path
):
    """Slurm kills what has not ended 3 s (KillWait) later: a busy machine may not say it all."""
    batch_file = packed(folder, SLEEP, one_gpu(folder, gpus=2, budget_seconds=120.0), 4)
    on_node2: dict[str, Any] = {"nodelist": "node2"}
    array = await submitted(cluster, batch_file, partition="preempt", extra=on_node2)
    await until_they_train(batch_file, 4)
    urgent = backend(cluster, replace(PLAIN, partition="high", extra=on_node2))
    master = replace(array, name=f"{array.name}-urgent", command=("/bin/true",), gpus=8)
    await urgent.submit(master)
    await until(urgent, array, all_are(TaskState.PREEMPTED))
    await until(urgent, master, all_are(TaskState.COMPLETED))
    assert not processes_of(batch_file)
    records = [Result.from_json(path.read_bytes()) for path in (folder / "inbox").glob("[!.]*")]
    assert {record.reason for record in records} == {Reason.PREEMPTED}


@pytest.mark.timeout(200)
def test_a_campaign_shares_its_nodes_and_accounts_for_each_run_alone(
    cluster: VirtualCluster, tmp_path: Path
):
    """Six ideas, at most four to a node: two tasks of three, submitted as one array."""
    campaign = Command(
        [
            *HASTE,
            *toy.make_campaign_env(tmp_path),
            "cluster=slurm",
            "cluster.pack=4",
            "search.epochs=1",
            "search.ideas_per_epoch=6",
            "env.gpus=2",
            "campaign=packed",
        ],
        tmp_path / "log.txt",
        cluster.environment,
    )
    campaign.finish(seconds=150)
    folder = tmp_path / "runs" / "packed"
    assert_nothing_is_double(folder)
    tables = load(folder)
    runs = tables.runs.set_index("idea_id")
    assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
    assert (runs.state == "completed").all()
    seconds = (runs.ended_at - runs.started_at).dt.total_seconds()
    assert (runs.gpu_seconds - 2 * seconds).abs().max() < 0.01
    of_ideas = runs.drop(index="baseline")
    assert of_ideas.job_id.nunique() < len(of_ideas), "they share tasks"
    assert of_ideas.job_id.value_counts().max() <= 4
    scripts = [path.read_text() for path in (folder / "jobs").glob("*-b0000/*_submission.sh")]
    assert "#SBATCH --gres=gpu:2\n" in scripts[0], "the baseline alone asks for its share alone"
    assert "a run on a node" not in (tmp_path / "log.txt").read_text()


def test_a_dry_run_says_how_many_share_a_node(cluster: VirtualCluster, tmp_path: Path):
    arguments = [*HASTE, *toy.make_campaign_env(tmp_path), "cluster=slurm", "env.gpus=1"]
    limits = ["env.budget_seconds=3000", "env.score_seconds=600", "search.epochs=1"]
    more = ["search.ideas_per_epoch=9", "cluster.pack=8", "cluster.max_nodes=3", "+dry_run=true"]
    done = airr("evolve", *arguments, *limits, *more, cwd=tmp_path, environment=cluster.environment)
    assert "the next array, 1 run in 1 task, up to 1 side by side on a node" in done.stdout
    hours = (
        r"^node-hours +10.0 at most, 3.0 if every task is full: up to 8 candidates share a node$"
    )
    assert re.search(hours, done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert re.search(r"^GPU-hours +10.0 at most", done.stdout, re.MULTILINE)
    assert "with 24 runs side by side" in done.stdout


def test_a_task_asks_for_what_its_runs_take_together(tmp_path: Path):
    plan = toy.plan(tmp_path, gpus=1, cpus=6, memory_gb=2.0)

    def options(runs: int) -> dict[str, Any]:
        packing = Packing(runs=runs, most=8)
        array = array_of(plan, packing, name="a", folder=tmp_path, tasks=range(packing.tasks))
        return script_options(array, replace(PLAIN, max_nodes=2))

    names = ("array", "nodes", "ntasks_per_node", "gres", "cpus_per_task", "mem", "time")
    alone, full, many = (options(runs) for runs in (1, 8, 20))
    assert [alone[name] for name in names] == ["0%2", 1, 1, "gpu:1", 6, "2048M", 4]
    assert [full[name] for name in names] == ["0%2", 1, 1, "gpu:8", 48, "16384M", 4]
    assert [many[name] for name in names] == ["0-2%2", 1, 1, "gpu:7", 42, "14336M", 4]


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_lost_node_loses_all_runs_of_its_task_and_each_is_tried_again(
    cluster: VirtualCluster, tmp_path: Path
):
    campaign = held_campaign(
        "lost", tmp_path, "cluster.pack=4", "env.gpus=2", "cluster.lost_after_seconds=1",
        cluster=cluster,
    )  # fmt: skip
    with campaign.command.start() as head:
        beats = campaign.folder / "jobs"
        await wait_for("runs", lambda: len(list(beats.glob("*/e00-*.alive"))) > 1, 60)
        await asyncio.sleep(2)
        assert jobs_of(cluster, "lost", "RUNNING")
        listed = cluster.run("squeue", "--noheader", "--states=RUNNING", "--format=%N %j").stdout
        node = next(line.split()[0] for line in listed.splitlines() if "airr-lost-" in line)
        cluster.crash_node(node)
        try:
            await wait_for("retries", lambda: bool(list(beats.glob("*/*.a1.alive"))), 90)
        finally:
            cluster.start_node(node)
            campaign.let_go()
        assert head.wait(timeout=120) == 0
    runs = load(campaign.folder).runs
    lost = runs[(runs.attempt == 0) & (runs.state == "node_fail")]
    assert len(lost) > 1, "all of a task"
    assert set(lost.node) == {node}
    again = runs[runs.attempt == 1].set_index("idea_id")
    assert again.job_id.nunique() == 1, "they share a task once more"
    assert node not in set(again.node)
    assert set(again.index) == set(lost.idea_id)
    assert (again.state == "completed").all()
    assert_nothing_is_double(campaign.folder)
