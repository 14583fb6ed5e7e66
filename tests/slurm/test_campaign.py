"""Whole campaigns on a real Slurm: arrays, kills of the head, nothing lost and nothing doubled."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import (
    Command,
    assert_no_run_was_lost,
    assert_nothing_is_double,
    kill_at_random,
    what_came_of_it,
)
from tests.slurm.cluster import VirtualCluster
from tests.test_screens import IDEAS, SCREEN, TOLD

HASTE = ["llm=offline", "cluster=slurm", "cluster.tick_seconds=0.5", "cluster.lost_after_seconds=5"]
KILLS = 20


def jobs_by_name(cluster: VirtualCluster) -> dict[str, set[str]]:
    """Return the ids of every job that accounting knows of, by job name."""
    listed = cluster.run(
        "sacct", "--allusers", "--allocations", "--noheader", "--parsable2", "--duplicates",
        "--starttime=2020-01-01", "--format=JobName,JobID",
    ).stdout  # fmt: skip
    jobs: dict[str, set[str]] = {}
    for line in listed.splitlines():
        name, job_id = line.split("|")
        jobs.setdefault(name, set()).add(job_id.partition("_")[0])
    return jobs


@pytest.mark.parametrize("screen", [[], pytest.param(SCREEN, marks=pytest.mark.long)])
def test_a_campaign_on_slurm_comes_to_the_same_as_one_on_this_machine(
    cluster: VirtualCluster, tmp_path: Path, screen: list[str]
):
    """Each batch is submitted once, and every log carries the array's id and the task's."""
    log = tmp_path / "log.txt"
    env = (
        toy.make_campaign_env(tmp_path, IDEAS, TOLD) if screen else toy.make_campaign_env(tmp_path)
    )
    search = ["search.epochs=2", "search.ideas_per_epoch=6", *env, *screen]
    on_slurm = Command([*search, *HASTE, "campaign=slurm"], log, cluster.environment)
    here = Command([*search, "llm=offline", "cluster=local", "campaign=here"], log, {})
    on_slurm.finish()
    here.finish()
    folder = tmp_path / "runs" / "slurm"
    assert what_came_of_it(folder) == what_came_of_it(tmp_path / "runs" / "here")
    runs = load(folder).runs
    assert bool(screen) == runs.rung.notna().any()
    assert screen or (runs.state == "completed").all()
    assert runs.job_id.str.fullmatch(r"\d+_\d+").all()
    names = set(runs.batch)
    submitted = {name: ids for name, ids in jobs_by_name(cluster).items() if name in names}
    assert set(submitted) == names
    assert all(len(ids) == 1 for ids in submitted.values())
    logs = {path.stem for path in (folder / "jobs").rglob("*.log")}
    assert set(runs.job_id) <= logs


@pytest.mark.long
def test_a_head_killed_at_twenty_moments_neither_loses_nor_doubles_a_job(
    cluster: VirtualCluster, tmp_path: Path
):
    """Only the head dies: its jobs run on, and the next head finds them by name."""
    env, log, runs = toy.make_campaign_env(tmp_path), tmp_path / "log.txt", tmp_path / "runs"
    slow = "env.train.argv=[/bin/sh,-c,'sleep 1.5 && exec {python} train.py']"
    search = ["search.epochs=3", "search.ideas_per_epoch=5", *env, slow, *HASTE]
    calm = Command([*search, "campaign=calm"], log, cluster.environment)
    shaken = Command([*search, "campaign=shaken"], log, cluster.environment)
    calm.finish()
    met = kill_at_random(shaken, kills=KILLS, longest=4.0, rng=random.Random(1), children=False)
    shaken.finish()

    assert met >= KILLS // 2, "the kills came too late to disturb anything"
    assert what_came_of_it(runs / "shaken") == what_came_of_it(runs / "calm")
    assert_nothing_is_double(runs / "shaken")
    assert_no_run_was_lost(runs / "shaken")
    tables = load(runs / "shaken")
    jobs = jobs_by_name(cluster)
    submissions = Counter({name: len(jobs.get(name, ())) for name in set(tables.runs.batch)})
    assert set(submissions.values()) == {1}, "no batch was submitted twice"


@pytest.mark.timeout(400)
def test_nanogpt_tiny_trains_under_srun_on_nodes_of_eight_gpus(
    cluster: VirtualCluster, tmp_path: Path
):
    """Two nodes at a time, since all four share this machine's cores."""
    prepare = [sys.executable, "-m", "airr.prepare", f"data={tmp_path / 'data'}"]
    subprocess.run(prepare, check=True, capture_output=True, timeout=120)
    campaign = Command(
        [
            *HASTE,
            "search.epochs=1",
            "search.ideas_per_epoch=3",
            "+env.train.environment.AIRR_STEPS=60",
            "env.score_settings.tokens=65536",
            "env.score_settings.compared=64",
            "env.cpus=16",
            "env.budget_seconds=120",
            "cluster.max_nodes=2",
            f"data={tmp_path / 'data'}",
            f"root={tmp_path / 'runs'}",
            "campaign=real",
        ],
        tmp_path / "log.txt",
        cluster.environment,
    )
    campaign.finish(seconds=350)
    tables = load(tmp_path / "runs" / "real")
    scored = tables.outcomes.query("status == 'scored'")
    assert "baseline" in set(scored.idea_id)
    assert len(scored) >= 2, tables.outcomes[["idea_id", "reason", "detail"]]
    assert (tables.runs.state == "completed").all()
