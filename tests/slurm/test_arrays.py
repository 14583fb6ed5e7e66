"""Arrays on a real Slurm: submitted, seen, found again, cancelled, refused."""

import asyncio
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from airr.cluster.protocol import SubmissionLimited, SubmissionUnknown, TaskState
from airr.cluster.slurm_settings import GpuDirective
from airr.errors import ClusterError
from tests.slurm.bench import PLAIN, all_are, backend, shell_array, until
from tests.slurm.cluster import VirtualCluster

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")


@contextmanager
def frozen(cluster: VirtualCluster) -> Generator[None]:
    """Let the controller take connections and answer none."""
    controller = cluster.daemon("slurmctld")
    controller.signal(SIGSTOP)
    try:
        yield
    finally:
        controller.signal(SIGCONT)


def logging_path(folder: Path) -> tuple[str, Path]:
    """Return a PATH on which every Slurm command writes a line before it runs, and the log."""
    log = folder / "calls"
    for name in COMMANDS:
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\necho {name} >> {log}\nexec {shutil.which(name)} "$@"\n')
        wrapper.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}", log


async def test_an_array_runs_each_index_and_its_ends_are_told_apart(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster)
    array = shell_array("arrays-ends", tmp_path, "echo task $1; test $1 -lt 2", 4)
    await slurm.submit(array)
    tasks = await until(slurm, array, all_are(TaskState.COMPLETED, TaskState.FAILED))
    assert [tasks[index].state for index in range(4)] == [TaskState.COMPLETED] * 2 + [
        TaskState.FAILED
    ] * 2
    assert tasks[3].node.startswith("node")
    log = tmp_path / f"{tasks[3].job_id}.log"
    assert log.read_text() == "task 3\n"


async def test_an_array_of_one_has_an_index_like_any_other(cluster: VirtualCluster, tmp_path: Path):
    slurm = backend(cluster)
    array = replace(shell_array("arrays-one", tmp_path, "echo $1 > index"), indices=(6,))
    await slurm.submit(array)
    tasks = await until(slurm, array, all_are(TaskState.COMPLETED))
    assert (tmp_path / "index").read_text() == "6\n"
    assert tasks[6].job_id.endswith("_6")


@pytest.mark.parametrize("directive", [GpuDirective.GRES, GpuDirective.GPUS_PER_NODE])
async def test_a_task_sees_the_gpus_it_asked_for(
    cluster: VirtualCluster, tmp_path: Path, directive: GpuDirective
):
    slurm = backend(cluster, replace(PLAIN, gpu_directive=directive, gres="gpu:h100"))
    script = "echo $CUDA_VISIBLE_DEVICES > gpus"
    array = shell_array(f"arrays-{directive}", tmp_path, script, gpus=8, cpus=16)
    await slurm.submit(array)
    await until(slurm, array, all_are(TaskState.COMPLETED))
    assert (tmp_path / "gpus").read_text() == "0,1,2,3,4,5,6,7\n"


async def test_the_setup_runs_before_the_worker_and_srun_starts_where_it_is_asked(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster, replace(PLAIN, setup=("export SITE=ready",)))
    script = "srun --ntasks-per-node=1 sh -c 'echo $SITE $SLURMD_NODENAME' > seen"
    array = shell_array("arrays-setup", tmp_path, script, nodes=2)
    await slurm.submit(array)
    await until(slurm, array, all_are(TaskState.COMPLETED, TaskState.FAILED))
    words = (tmp_path / "seen").read_text().split()
    assert words.count("ready") == 2
    assert len(set(words)) == 3


async def test_no_key_and_no_mark_of_another_job_reaches_a_job(
    cluster: VirtualCluster, tmp_path: Path
):
    shell = {
        "ANTHROPIC_API_KEY": "sk-secret",
        "WANDB_API_KEY": "wb-wanted",
        "HF_TOKEN": "hf-secret",
        "SLURM_JOB_ID": "31337",
        "SBATCH_PARTITION": "nowhere",
        "PMIX_RANK": "31337",
    }
    slurm = backend(cluster, replace(PLAIN, pass_env=("WANDB_API_KEY",)), **shell)
    array = shell_array("arrays-keys", tmp_path, "tr '\\0' '\\n' < /proc/self/environ > seen")
    await slurm.submit(array)
    await until(slurm, array, all_are(TaskState.COMPLETED))
    seen = (tmp_path / "seen").read_text()
    assert "WANDB_API_KEY=wb-wanted" in seen
    assert "secret" not in seen
    assert "31337" not in seen


async def test_a_survey_is_one_squeue_however_many_arrays(cluster: VirtualCluster, tmp_path: Path):
    path, log = logging_path(tmp_path)
    slurm = backend(cluster, PATH=path)
    arrays = [shell_array(f"arrays-many{i}", tmp_path, "sleep 60", 3) for i in range(5)]
    for array in arrays:
        await slurm.submit(array)
    assert log.read_text().split() == ["sbatch"] * 5
    log.write_text("")
    found = await slurm.survey(arrays)
    assert log.read_text().split() == ["squeue"]
    assert found is not None
    assert {len(tasks) for tasks in found.values()} == {3}
    assert all(TaskState.GONE not in {t.state for t in tasks.values()} for tasks in found.values())
    log.write_text("")
    await slurm.cancel(arrays)
    assert log.read_text().split() == ["squeue", "scancel"]


async def test_cancelling_ends_these_arrays_and_no_other(cluster: VirtualCluster, tmp_path: Path):
    slurm = backend(cluster)
    mine = shell_array("arrays-mine", tmp_path, "sleep 60", 40)
    other = shell_array("arrays-mine2", tmp_path, "sleep 60")
    await slurm.submit(mine)
    await slurm.submit(other)
    await until(slurm, other, all_are(TaskState.RUNNING))
    await slurm.cancel([mine])
    await until(slurm, mine, all_are(TaskState.CANCELLED))
    await until(slurm, other, all_are(TaskState.RUNNING), seconds=1)
    await slurm.cancel([mine, other])
    await until(slurm, other, all_are(TaskState.CANCELLED))


async def test_a_twin_waits_behind_the_first_and_is_cancelled(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster)
    array = shell_array("arrays-twin", tmp_path, "echo $SLURM_ARRAY_JOB_ID >> started; sleep 3", 2)
    await slurm.submit(array)
    await slurm.submit(array)
    tasks = await until(slurm, array, all_are(TaskState.RUNNING))
    (duplicate,) = await slurm.cancel_duplicates()
    first = tasks[0].job_id.partition("_")[0]
    assert int(first) < int(duplicate)
    tasks = await until(slurm, array, all_are(TaskState.COMPLETED))
    assert await slurm.cancel_duplicates() == ()
    assert set((tmp_path / "started").read_text().split()) == {first}


async def test_an_array_whose_answer_was_lost_is_found_again_by_its_name(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster)
    array = shell_array("arrays-lost", tmp_path, "echo $1 >> ran", 2)
    with frozen(cluster):
        with pytest.raises(SubmissionUnknown, match="timed out"):
            await slurm.submit(array)
        assert await slurm.survey([array]) is None
    await until(slurm, array, all_are(TaskState.COMPLETED))
    assert sorted((tmp_path / "ran").read_text().split()) == ["0", "1"]


async def test_a_script_that_cannot_be_put_down_is_told_in_words(
    cluster: VirtualCluster, tmp_path: Path
):
    (tmp_path / "file").touch()
    array = replace(
        shell_array("arrays-nowhere", tmp_path, "true", 1), folder=tmp_path / "file" / "x"
    )
    with pytest.raises(SubmissionUnknown, match="Not a directory") as told:
        await backend(cluster).submit(array)
    assert "Traceback" not in str(told.value)


async def test_an_unknown_name_is_gone_and_no_arrays_are_no_question(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster)
    array = shell_array("arrays-never", tmp_path, "true", 2)
    found = await slurm.survey([array])
    assert found is not None
    assert {task.state for task in found[array.name].values()} == {TaskState.GONE}
    assert await slurm.survey([]) == {}


@pytest.mark.parametrize(
    ("changes", "options", "remedy"),
    [
        ({}, {"partition": "nowhere"}, "cluster.partition"),
        ({}, {"account": "nobody"}, "cluster.account"),
        ({}, {"qos": "gold"}, "cluster.qos"),
        ({}, {"extra": {"frobnicate": True}}, "cluster.extra"),
        ({"gpus": 9}, {}, "env.gpus"),
        ({"indices": (1001,)}, {}, "MaxArraySize"),
    ],
)
async def test_what_the_site_refuses_names_the_setting_to_change(
    cluster: VirtualCluster,
    tmp_path: Path,
    changes: dict[str, object],
    options: dict[str, str],
    remedy: str,
):
    slurm = backend(cluster, replace(PLAIN, **options))  # pyright: ignore[reportArgumentType]
    array = shell_array("arrays-refused", tmp_path, "true", **changes)  # pyright: ignore
    with pytest.raises(ClusterError, match=remedy):
        await slurm.submit(array)


async def test_the_largest_array_is_the_site_s(cluster: VirtualCluster):
    assert await backend(cluster).largest_array() == 1001


async def test_a_submit_limit_is_told_apart_and_a_smaller_array_fits(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster, replace(PLAIN, account="lab", qos="short"))
    with pytest.raises(SubmissionLimited, match="MaxSubmitJobPerUser"):
        await slurm.submit(shell_array("arrays-limited", tmp_path, "true", 5))
    smaller = shell_array("arrays-limited", tmp_path, "true", 4)
    await slurm.submit(smaller)
    await until(slurm, smaller, all_are(TaskState.COMPLETED))


async def test_a_request_beyond_the_partition_is_unsatisfiable_and_can_be_cancelled(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster, replace(PLAIN, partition="narrow"))
    array = shell_array("arrays-wide", tmp_path, "true", 2, nodes=2)
    await slurm.submit(array)
    tasks = await until(slurm, array, all_are(TaskState.UNSATISFIABLE))
    assert tasks[1].detail == "PartitionNodeLimit"
    await slurm.cancel([array])
    await until(slurm, array, all_are(TaskState.CANCELLED))


async def test_a_thousand_tasks_are_one_sbatch_and_one_quick_squeue(
    cluster: VirtualCluster, tmp_path: Path
):
    slurm = backend(cluster)
    array = shell_array("arrays-thousand", tmp_path, "sleep 60", 1000)
    async with asyncio.timeout(3):
        await slurm.submit(array)
    async with asyncio.timeout(1):
        found = await slurm.survey([array])
    assert found is not None
    assert len(found[array.name]) == 1000
    assert all_are(TaskState.PENDING, TaskState.RUNNING)(found[array.name])
    await slurm.cancel([array])


async def test_the_script_shown_is_the_script_submitted(cluster: VirtualCluster, tmp_path: Path):
    slurm = backend(cluster, replace(PLAIN, mail="me@lab.example"))
    array = shell_array("arrays-script", tmp_path, "true", 2)
    await slurm.submit(array)
    (submitted,) = tmp_path.glob("*_submission.sh")
    assert slurm.script(array) == submitted.read_text()
    assert "#SBATCH --mail-type=FAIL\n" in submitted.read_text()
    await until(slurm, array, all_are(TaskState.COMPLETED))


def test_without_sbatch_there_is_no_backend(cluster: VirtualCluster):
    with pytest.raises(ClusterError, match="sbatch"):
        backend(cluster, PATH="/nowhere")
