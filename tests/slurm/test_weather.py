"""What befalls arrays on a real Slurm: outages, dead nodes, preemption, time limits."""

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from airr.cluster.protocol import JobArray, TaskState
from tests.slurm.bench import PLAIN, all_are, backend, shell_array, until
from tests.slurm.cluster import VirtualCluster
from tests.slurm.daemons import wait_until


def on_node(node: str) -> dict[str, str | int | bool]:
    """Return the extra options that send a job to this node."""
    return {"nodelist": node}


def is_empty(cluster: VirtualCluster) -> bool:
    """Tell whether the controller knows of no job, live or ended."""
    return not cluster.run("squeue", "--noheader", "--states=all").stdout


@pytest_asyncio.fixture(autouse=True, scope="module", loop_scope="module")
async def overdue(
    cluster: VirtualCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[JobArray]:
    """An array that outlives its limit: a minute at least, so the other tests run meanwhile."""
    slurm = backend(cluster, replace(PLAIN, time_margin=50, extra=on_node("node4")))
    script = "trap 'date > warned' USR1; while :; do sleep 1; done"
    array = shell_array("weather-overdue", tmp_path_factory.mktemp("overdue"), script, seconds=10)
    await slurm.submit(array)
    yield array
    await slurm.cancel([array])


async def test_a_crashed_node_is_told_by_name(cluster: VirtualCluster, tmp_path: Path):
    slurm = backend(cluster, replace(PLAIN, extra=on_node("node3")))
    array = shell_array("weather-crash", tmp_path, "sleep 60")
    await slurm.submit(array)
    await until(slurm, array, all_are(TaskState.RUNNING))
    cluster.crash_node("node3")
    try:
        tasks = await until(slurm, array, all_are(TaskState.NODE_FAIL), seconds=60)
    finally:
        cluster.start_node("node3")
    assert tasks[0].node == "node3"
    back = ("sinfo", "--noheader", "--partition=gpu", "--nodes=node3", "--format=%t")
    wait_until("node3 to be back", lambda: cluster.run(*back).stdout.strip() == "idle")


async def test_a_preempted_task_ends_as_such_and_is_not_requeued(
    cluster: VirtualCluster, tmp_path: Path
):
    lowly = backend(cluster, replace(PLAIN, partition="preempt", extra=on_node("node1")))
    urgent = backend(cluster, replace(PLAIN, partition="high", extra=on_node("node1")))
    victim = shell_array("weather-victim", tmp_path, "sleep 60", gpus=8)
    master = shell_array("weather-master", tmp_path, "true", gpus=8)
    await lowly.submit(victim)
    await until(lowly, victim, all_are(TaskState.RUNNING))
    await urgent.submit(master)
    tasks = await until(lowly, victim, all_are(TaskState.PREEMPTED))
    assert tasks[0].node == "node1"
    await until(urgent, master, all_are(TaskState.COMPLETED))


async def test_a_preempted_task_of_a_site_that_requeues_waits_and_runs_again(
    cluster: VirtualCluster, tmp_path: Path
):
    settings = replace(PLAIN, partition="preempt", requeue=True, extra=on_node("node1"))
    lowly = backend(cluster, settings)
    urgent = backend(cluster, replace(PLAIN, partition="high", extra=on_node("node1")))
    script = "echo x >> starts; test $(wc -l < starts) -gt 1 || sleep 60"
    victim = shell_array("weather-requeued", tmp_path, script, gpus=8)
    master = shell_array("weather-requeuer", tmp_path, "sleep 1", gpus=8)
    await lowly.submit(victim)
    await until(lowly, victim, all_are(TaskState.RUNNING))
    wait_until("the first start", (tmp_path / "starts").exists)
    await urgent.submit(master)
    await until(lowly, victim, all_are(TaskState.PENDING))
    await until(lowly, victim, all_are(TaskState.COMPLETED), seconds=150)


async def test_a_drained_partition_is_waited_for(cluster: VirtualCluster, tmp_path: Path):
    slurm = backend(cluster, replace(PLAIN, partition="narrow"))
    array = shell_array("weather-drained", tmp_path, "true")
    cluster.run("scontrol", "update", "PartitionName=narrow", "State=DOWN")
    try:
        await slurm.submit(array)
        await until(slurm, array, lambda tasks: "Partition" in tasks[0].detail)
        await until(slurm, array, all_are(TaskState.PENDING), seconds=1)
    finally:
        cluster.run("scontrol", "update", "PartitionName=narrow", "State=UP")
    await until(slurm, array, all_are(TaskState.COMPLETED))


async def test_what_the_controller_has_forgotten_accounting_tells_in_one_sacct(
    forgetful_cluster: VirtualCluster, tmp_path: Path
):
    cluster = forgetful_cluster
    submitter = backend(cluster)
    arrays = [shell_array(f"weather-past{i}", tmp_path, "test $1 = 0", 3) for i in range(2)]
    for array in arrays:
        await submitter.submit(array)
    await until(submitter, arrays[1], all_are(TaskState.COMPLETED, TaskState.FAILED))
    wait_until("the controller to forget", lambda: is_empty(cluster), seconds=90)
    found = await backend(cluster).survey(arrays)
    assert found is not None
    for array in arrays:
        states = [found[array.name][index].state for index in range(3)]
        assert states == [TaskState.COMPLETED, TaskState.FAILED, TaskState.FAILED]
    cluster.daemon("slurmdbd").kill()
    assert await submitter.survey(arrays[1:]) is not None
    silent = await backend(cluster).survey(arrays)
    assert silent is not None
    assert all_are(TaskState.GONE)(silent[arrays[0].name])


async def test_without_accounting_a_forgotten_task_is_gone_but_what_was_seen_stays_known(
    cluster_without_accounting: VirtualCluster, tmp_path: Path
):
    cluster = cluster_without_accounting
    witness = backend(cluster)
    array = shell_array("weather-unaccounted", tmp_path, "true", 2)
    await witness.submit(array)
    await until(witness, array, all_are(TaskState.COMPLETED))
    wait_until("the controller to forget", lambda: is_empty(cluster), seconds=90)
    newcomer = backend(cluster)
    await until(newcomer, array, all_are(TaskState.GONE), seconds=1)
    await until(witness, array, all_are(TaskState.COMPLETED), seconds=1)


async def test_a_task_beyond_its_limit_is_warned_by_usr1_and_timed_out(
    cluster: VirtualCluster, overdue: JobArray
):
    slurm = backend(cluster)
    tasks = await until(slurm, overdue, all_are(TaskState.TIMEOUT), seconds=120)
    assert tasks[0].node == "node4"
    assert (overdue.folder / "warned").exists()


async def test_a_controller_outage_tells_nothing_and_loses_nothing(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster)
    array = shell_array("weather-outage", tmp_path, "echo $1 >> ran; sleep 20")
    begun = time.time()
    await slurm.submit(array)
    await until(slurm, array, all_are(TaskState.RUNNING))
    wait_until("the task to have begun", (tmp_path / "ran").exists)
    # what happened since it last wrote its state, every 5 s, a killed controller does not know
    wait_until("the controller to save its state", lambda: cluster.saved_at() > begun + 1)
    cluster.daemon("slurmctld").kill()
    try:
        assert await slurm.survey([array]) is None
    finally:
        cluster.start_controller()
    await until(slurm, array, all_are(TaskState.COMPLETED), seconds=60)
    assert (tmp_path / "ran").read_text() == "0\n"
