"""Trainings that span nodes on a real Slurm: they meet, they end together, they leave nothing."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from airr.batch import Command, Plan, Result
from airr.cluster.protocol import JobArray, TaskState
from airr.cluster.slurm import Slurm
from airr.executor.codebases import Tree
from airr.ledger import load
from airr.nodelocal import node_folder
from airr.records import Reason
from tests import toy
from tests.campaigns import Command as Campaign
from tests.slurm.bench import all_are, backend, until, worker_array
from tests.slurm.cluster import VirtualCluster

pytestmark = pytest.mark.long

MEET = """\
import os, pathlib, socket, sys, time
options = dict(part.lstrip("-").split("=") for part in sys.argv[1:])
here = (options["master-addr"], int(options["master-port"]))
rank = int(options["node-rank"])
pathlib.Path("mark").write_text(str(rank))
"""
"""A training of two nodes without torch: it is told where to meet as torchrun would be."""

TALK = """\
if rank == 0:
    with socket.create_server(here) as server:
        peer, _ = server.accept()
        time.sleep(2)
        value = peer.recv(100).decode()
    pathlib.Path(os.environ["AIRR_OUT"], "checkpoint.txt").write_text(value)
else:
    while True:
        try:
            peer = socket.create_connection(here)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    peer.sendall(b"1.25")
    peer.close()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.make_env(tmp_path)
    return tmp_path


def codebase(train: str) -> Tree:
    return toy.tree(MEET + train)


def two_nodes(folder: Path, sandbox: str = "bubblewrap", **changes: object) -> Plan:
    train = Command(argv=("{python}", "train.py", "{rendezvous}"), environment={})
    return toy.plan(folder, nodes=2, gpus=2, train=train, sandbox=sandbox, **changes)


async def run_all(slurm: Slurm, *arrays: JobArray) -> None:
    for array in arrays:
        await slurm.submit(array)
    for array in arrays:
        await until(slurm, array, all_are(TaskState.COMPLETED, TaskState.FAILED), seconds=60)


def result_of(folder: Path, run: str = "e00-i000") -> Result:
    return Result.from_json((folder / "inbox" / f"{run}.r0.a0.json").read_bytes())


def assert_nothing_is_left_of(batch_file: Path) -> None:
    name = batch_file.parent.name
    assert not list(node_folder().glob(f"{name}*")), "a folder was left behind"
    left = [p for p in psutil.process_iter(["cmdline"]) if name in str(p.info["cmdline"])]
    assert not left, "a process was left behind"


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
async def test_the_nodes_of_a_run_meet_and_the_first_one_s_checkpoint_is_scored(
    cluster: VirtualCluster, folder: Path, sandbox: str
):
    name = f"airr-{folder.name}"
    batch_file = toy.write_batch(
        folder, codebase(TALK), two_nodes(folder, sandbox, budget_seconds=20.0), name
    )
    await run_all(backend(cluster), worker_array(batch_file))
    assert result_of(folder).metric == 1.25
    assert result_of(folder).node.startswith("node")
    assert_nothing_is_left_of(batch_file)


async def test_two_runs_at_once_on_the_same_nodes_do_not_meet_each_other(
    cluster: VirtualCluster, folder: Path
):
    plan = two_nodes(folder, budget_seconds=30.0)
    batch_file = toy.write_batch(folder, codebase(TALK), plan, f"airr-{folder.name}", count=4)
    array = worker_array(batch_file)
    slurm = backend(cluster)
    await slurm.submit(array)
    tasks = await until(slurm, array, all_are(TaskState.RUNNING))
    assert len({task.node for task in tasks.values()}) < len(tasks), "they share nodes"
    await until(slurm, array, all_are(TaskState.COMPLETED), seconds=60)
    assert [result_of(folder, f"e00-i00{index}").metric for index in range(4)] == [1.25] * 4
    assert_nothing_is_left_of(batch_file)


ON_THE_SECOND = {
    Reason.CRASH: "raise RuntimeError('on the second node')",
    Reason.OOM: "x = bytearray(700_000_000); time.sleep(600)",
    Reason.DISK_FULL: (
        "out = os.environ['AIRR_OUT']\n"
        "    for n in range(100):\n"
        "        open(f'{out}/{n}', 'wb').write(bytes(1_000_000))\n"
        "    time.sleep(600)"
    ),
}


@pytest.mark.parametrize("reason", ON_THE_SECOND, ids=str)
async def test_trouble_on_one_node_ends_all_of_them_with_its_reason(
    cluster: VirtualCluster, folder: Path, reason: Reason
):
    train = f"if rank == 1:\n    {ON_THE_SECOND[reason]}\ntime.sleep(600)\n"
    plan = two_nodes(folder, budget_seconds=40.0)
    batch_file = toy.write_batch(folder, codebase(train), plan, f"airr-{folder.name}")
    await run_all(backend(cluster), worker_array(batch_file))
    result = result_of(folder)
    assert result.reason is reason, result.detail
    assert result.train_seconds < 20
    assert_nothing_is_left_of(batch_file)


async def test_a_hang_is_killed_at_the_deadline_on_both_nodes(
    cluster: VirtualCluster, folder: Path
):
    train = (
        "import subprocess, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '611'], start_new_session=True)\n"
        "time.sleep(600)\n"
    )
    plan = two_nodes(folder, "none", budget_seconds=4.0)
    batch_file = toy.write_batch(folder, codebase(train), plan, f"airr-{folder.name}")
    await run_all(backend(cluster), worker_array(batch_file))
    result = result_of(folder)
    assert result.reason is Reason.OVER_BUDGET, result.detail
    assert 4 <= result.train_seconds < 9
    assert_nothing_is_left_of(batch_file)
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "611"]
    ]


async def test_a_cancelled_run_leaves_nothing_on_either_node(cluster: VirtualCluster, folder: Path):
    plan = two_nodes(folder, budget_seconds=60.0)
    batch_file = toy.write_batch(folder, codebase("time.sleep(600)"), plan, f"airr-{folder.name}")
    array, slurm = worker_array(batch_file), backend(cluster)
    await slurm.submit(array)
    while len(list(node_folder().glob(f"{array.name}*/codebase/mark"))) < 2:
        await asyncio.sleep(0.1)
    await slurm.cancel([array])
    await until(slurm, array, all_are(TaskState.CANCELLED))
    for _ in range(50):
        await asyncio.sleep(0.1)
        if (folder / "inbox" / "e00-i000.r0.a0.json").exists():
            break
    assert result_of(folder).reason is Reason.PREEMPTED
    await asyncio.sleep(1)
    assert_nothing_is_left_of(batch_file)


async def test_a_node_that_cannot_take_part_is_not_the_idea_s_fault(
    cluster: VirtualCluster, folder: Path
):
    """The second node finds another process at work on this run, under its own lock."""
    plan = two_nodes(folder, budget_seconds=40.0)
    batch_file = toy.write_batch(folder, codebase(TALK), plan, f"airr-{folder.name}")
    name = batch_file.parent.name
    holder = (
        "import sys, time; from airr.nodelocal import lock\n"
        "from contextlib import ExitStack\n"
        "with ExitStack() as stack:\n"
        f"    [stack.enter_context(lock(f'{name}-0.node{{n}}')) for n in range(1, 5)]\n"
        "    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        await run_all(backend(cluster), worker_array(batch_file))
        process.kill()
    result = result_of(folder)
    assert result.reason is Reason.NODE_FAIL
    assert "takes no part" in result.detail


@pytest.mark.timeout(300)
def test_torchrun_trains_nanogpt_over_two_nodes(cluster: VirtualCluster, tmp_path: Path):
    prepare = [sys.executable, "-m", "airr.prepare", f"data={tmp_path / 'data'}"]
    subprocess.run(prepare, check=True, capture_output=True, timeout=120)
    argv = "'{python}',-m,torch.distributed.run,'{rendezvous}','--nproc-per-node=2',train.py"
    campaign = Campaign(
        [
            "llm=offline",
            "cluster=slurm",
            "cluster.tick_seconds=0.5",
            "cluster.lost_after_seconds=5",
            "search.epochs=1",
            "search.ideas_per_epoch=1",
            f"env.train.argv=[{argv}]",
            "+env.train.environment.AIRR_STEPS=20",
            "env.nodes=2",
            "env.cpus=2",
            "env.budget_seconds=150",
            "env.memory_gb=8",
            f"data={tmp_path / 'data'}",
            f"root={tmp_path / 'runs'}",
            "campaign=wide",
        ],
        tmp_path / "log.txt",
        cluster.environment,
    )
    campaign.finish(seconds=280)
    tables = load(tmp_path / "runs" / "wide")
    outcomes = tables.outcomes.set_index("idea_id")
    assert outcomes.status["baseline"] == "scored", outcomes.detail["baseline"]
    assert not list(node_folder().glob("airr-wide-*"))
    log = next((tmp_path / "runs" / "wide" / "jobs").rglob("baseline.*.log")).read_text()
    assert "step 20/20" in log
