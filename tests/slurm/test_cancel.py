"""`python -m airr.cancel` on a real Slurm: this campaign's jobs and no other's."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from airr.cluster.head_job import name_of_heads
from airr.ledger import load
from tests.campaigns import assert_no_run_was_lost, assert_nothing_is_double
from tests.slurm.cluster import VirtualCluster
from tests.slurm.daemons import wait_until
from tests.slurm.people import Held, airr, held_campaign, jobs_of

HEAD = Path(__file__).parents[2] / "sbatch" / "head.sbatch"

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]


HALF_A_NODE_OF_ONE = ("+cluster.extra.nodelist=node1", "env.cpus=8")
"""Two runs at once, and no more."""


def assert_complete(campaign: Held) -> None:
    """Every idea has one outcome, and no run was ever counted as cut short."""
    assert_nothing_is_double(campaign.folder)
    assert_no_run_was_lost(campaign.folder)
    tables = load(campaign.folder)
    assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
    assert (tables.runs.state == "completed").all()


def wait_for_a_held_job(campaign: Held, cluster: VirtualCluster) -> None:
    def is_there() -> bool:
        return bool(jobs_of(cluster, campaign.name, "RUNNING"))

    wait_until("a job that waits to be let go", is_there, seconds=60)


def test_cancel_ends_the_head_and_the_jobs_of_one_campaign_which_then_goes_on(
    cluster: VirtualCluster, tmp_path: Path
):
    mine = held_campaign("mine", tmp_path, *HALF_A_NODE_OF_ONE, cluster=cluster)
    other = held_campaign("other", tmp_path, "+cluster.extra.nodelist=node2", cluster=cluster)
    with mine.command.running() as my_head, other.command.running() as other_head:
        wait_until(
            "jobs of both campaigns",
            lambda: (
                len(jobs_of(cluster, "mine", "RUNNING")) >= 2
                and bool(jobs_of(cluster, "mine", "PENDING"))
                and bool(jobs_of(cluster, "other", "RUNNING"))
            ),
            seconds=60,
        )
        arguments = ("campaign=mine", f"root={tmp_path / 'runs'}")
        listed = airr(
            "cancel", *arguments, "+dry_run=true", cwd=tmp_path, environment=cluster.environment
        )
        assert listed.returncode == 0, listed.stderr
        assert "campaign mine: would cancel " in listed.stdout
        assert my_head.poll() is None, "a dry run ended the head"
        assert jobs_of(cluster, "mine", "RUNNING")

        others = jobs_of(cluster, "other", "RUNNING")
        done = airr("cancel", *arguments, cwd=tmp_path, environment=cluster.environment)
        assert done.returncode == 0, done.stderr
        assert "campaign mine: cancelled " in done.stdout
        assert f"head: process {my_head.pid} on this machine was ended" in done.stdout
        assert my_head.wait(timeout=60) == 130
        assert not jobs_of(cluster, "mine", "PENDING,RUNNING,COMPLETING")
        assert other_head.poll() is None
        assert set(others) <= set(jobs_of(cluster, "other", "RUNNING"))
        mine.let_go()
        other.let_go()
        mine.command.finish()
        assert other_head.wait(timeout=60) == 0
    assert_complete(mine)
    assert_complete(other)


def test_cancelled_jobs_of_a_killed_head_are_ended_too(cluster: VirtualCluster, tmp_path: Path):
    orphan = held_campaign("orphan", tmp_path, cluster=cluster)
    with orphan.command.running() as head:
        wait_for_a_held_job(orphan, cluster)
        head.kill()
    done = airr(
        "cancel", "campaign=runs/orphan", cwd=tmp_path, environment=cluster.environment
    )  # fmt: skip
    assert "campaign orphan: cancelled " in done.stdout, done.stderr
    assert not jobs_of(cluster, "orphan", "PENDING,RUNNING,COMPLETING")
    again = airr("cancel", "campaign=runs/orphan", cwd=tmp_path, environment=cluster.environment)
    assert again.stdout == "campaign orphan: none of its jobs is queued or running\n"
    orphan.let_go()
    orphan.command.finish()
    assert_complete(orphan)


def test_a_head_that_is_a_job_is_ended_with_its_successor(cluster: VirtualCluster, tmp_path: Path):
    relayed = held_campaign("relayed", tmp_path, cluster=cluster)
    said = cluster.run(
        *("env", "-C", str(tmp_path), f"AIRR_PYTHON={sys.executable}"),
        *("sbatch", "--mem=2G", "--time=30", str(HEAD), *relayed.command.overrides),
    )
    assert said.returncode == 0, said.stderr
    chain = f"--name={name_of_heads([relayed.folder])}"

    def heads() -> list[str]:
        return cluster.run("squeue", "--noheader", chain, "--format=%T").stdout.split()

    wait_until("a head and its successor", lambda: len(heads()) == 2, seconds=60)
    wait_for_a_held_job(relayed, cluster)
    done = airr("cancel", "campaign=runs/relayed", cwd=tmp_path, environment=cluster.environment)
    assert done.returncode == 0, done.stderr
    assert f"(Slurm job {name_of_heads([relayed.folder])})" in done.stdout
    assert not heads()
    assert not jobs_of(cluster, "relayed", "PENDING,RUNNING,COMPLETING")
    relayed.let_go()
    relayed.command.finish()
    assert_complete(relayed)


def workers_of(campaign: Held) -> list[psutil.Process]:
    """Return the processes of the workers of a campaign's ideas."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "airr.worker" in line and str(campaign.folder) in line and "-b0000/" not in line:
            found.append(process)
    return found


@pytest.mark.parametrize("head_is", ["alive", "killed", "in the background"])
def test_cancel_of_a_campaign_on_this_machine_ends_its_workers(tmp_path: Path, head_is: str):
    """A shell has what it starts in the background ignore Ctrl-C."""
    local = held_campaign("local", tmp_path, cluster=None)
    deaf = ("tests.faults.deaf", "airr.evolve") if head_is == "in the background" else ()
    with local.command.running(*deaf) as head:
        wait_until(
            "a waiting worker",
            lambda: bool(workers_of(local)),
            seconds=60,
        )
        if head_is == "killed":
            head.kill()
            head.wait()
            assert workers_of(local), "workers outlive a killed head"
        done = airr("cancel", "campaign=runs/local", cwd=tmp_path, environment={})
        assert "campaign local: cancelled " in done.stdout, done.stdout + done.stderr
        wait_until("the workers to be gone", lambda: not workers_of(local))
        assert head.wait(timeout=60) == (-9 if head_is == "killed" else 130)
    local.let_go()
    local.command.finish()
    assert_complete(local)


def test_a_head_on_another_machine_is_named_and_nothing_is_cancelled(
    cluster: VirtualCluster, tmp_path: Path
):
    far = held_campaign("far", tmp_path, cluster=cluster)
    with far.command.running() as head:
        wait_for_a_held_job(far, cluster)
        head.kill()
    (lease,) = (far.folder / "lease").glob("0*.json")
    lease.write_text('{"host": "login2", "pid": 42, "started": "x"}')
    refused = airr("cancel", "campaign=runs/far", cwd=tmp_path, environment=cluster.environment)
    assert refused.returncode == 2
    assert "run python -m airr.cancel on login2" in refused.stderr
    assert jobs_of(cluster, "far", "RUNNING")
    lease.unlink()
    ended = airr("cancel", "campaign=runs/far", cwd=tmp_path, environment=cluster.environment)
    assert ended.returncode == 0, ended.stderr


def test_cancel_needs_to_be_told_which(tmp_path: Path):
    refused = airr("cancel", cwd=tmp_path, environment={})
    assert refused.returncode == 2
    assert "python -m airr.cancel campaign=NAME" in refused.stderr
    nothing = airr("cancel", "campaign=nothing", cwd=tmp_path, environment={})
    assert "holds no campaign" in nothing.stderr
