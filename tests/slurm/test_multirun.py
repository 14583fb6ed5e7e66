"""`python -m airr.evolve -m ...` on a real Slurm: campaigns side by side under one node limit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import assert_nothing_is_double
from tests.slurm.cluster import VirtualCluster
from tests.slurm.test_campaign import HASTE

pytestmark = pytest.mark.long

NODES = 2
SWEEP = ["-m", "search=evolution,best_of_n", "seed=1,2", "search.epochs=2"]
CAMPAIGNS = [
    f"nanogpt_tiny-{search}-s{seed}" for search in ("best_of_n", "evolution") for seed in (1, 2)
]
SLOW = "env.train.argv=[/bin/sh,-c,'sleep 1 && exec {python} train.py']"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path


@pytest.fixture
def settings(place: Path) -> list[str]:
    return [*SWEEP, "search.ideas_per_epoch=3", *toy.make_campaign_env(place), *HASTE]


def start(settings: Sequence[str], place: Path, cluster: VirtualCluster) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airr.evolve", *settings],
        cwd=place / "here",
        env=os.environ | cluster.environment | {"COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def most_at_once(cluster: VirtualCluster) -> Generator[list[int]]:
    """Sample how many nodes this sweep's tasks hold at once, until the body is left."""
    samples: list[int] = []
    over = threading.Event()

    def sample() -> None:
        states = "--states=RUNNING,COMPLETING,CONFIGURING"
        while not over.wait(0.05):
            listed = cluster.run("squeue", "--noheader", "--array", states, "--format=%j %D").stdout
            rows = [line.split() for line in listed.splitlines()]
            samples.append(sum(int(n) for name, n in rows if name.startswith("airr-nanogpt_tiny-")))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        over.set()
        sampler.join()


def test_four_campaigns_complete_on_no_more_nodes_than_they_share(
    cluster: VirtualCluster, place: Path, settings: list[str]
):
    with most_at_once(cluster) as samples:
        sweep = start([*settings, SLOW, f"cluster.max_nodes={NODES}"], place, cluster)
        said, complaints = sweep.communicate(timeout=280)
    assert sweep.returncode == 0, complaints
    assert max(samples) == NODES, "the limit is kept, and made use of"
    folders = sorted((place / "runs").iterdir())
    assert [folder.name for folder in folders] == CAMPAIGNS
    first, *others = (load(folder) for folder in folders)
    for folder, tables in zip(folders, (first, *others), strict=True):
        assert len(tables.ideas) == 6
        assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
        assert_nothing_is_double(folder)
        logged = (folder / "airr.log").read_text()
        assert set(re.findall(r"submitted airr-(\S+)-\w{6}-b", logged)) == {folder.name}
    assert any((one.runs.started_at < first.runs.ended_at.max()).any() for one in others)
    table = said.partition("gain")[2]
    assert all(name in table for name in CAMPAIGNS)
    gains = [float(gain) for gain in re.findall(r"([+-]\d\.\d{4}) ±", table)]
    assert len(gains) == len(CAMPAIGNS)
    assert gains == sorted(gains, reverse=True)
    assert not list((place / "here").iterdir()), "nothing strays into the current folder"


def test_ctrl_c_ends_all_heads_and_leaves_their_jobs(
    cluster: VirtualCluster, place: Path, settings: list[str]
):
    sweep = start([*settings, "env.train.argv=[/bin/sh,-c,'sleep 30']"], place, cluster)
    runs = place / "runs"
    while len(list(runs.glob("*/jobs/*/batch.json"))) < len(CAMPAIGNS):
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.1)
    time.sleep(1)
    sweep.send_signal(signal.SIGINT)
    _, complaints = sweep.communicate(timeout=30)
    assert sweep.returncode == 130
    assert complaints.strip() == "airr: stopped; the same command goes on from here"
    assert not list(runs.glob("*/lease/0*.json"))
    names = {path.parent.name for path in runs.glob("*/jobs/*/batch.json")}
    queued = set(cluster.run("squeue", "--noheader", "--format=%j").stdout.split())
    cluster.run("scancel", f"--name={','.join(names)}")
    assert names <= queued


def test_a_campaign_that_fails_ends_no_other(
    cluster: VirtualCluster, place: Path, settings: list[str]
):
    (place / "runs" / CAMPAIGNS[0] / "airr.log").mkdir(parents=True)
    sweep = start(settings, place, cluster)
    said, complaints = sweep.communicate(timeout=200)
    assert sweep.returncode == 1
    assert "Traceback" not in complaints
    assert f"{CAMPAIGNS[0]} failed: " in said
    for name in CAMPAIGNS[1:]:
        assert len(load(place / "runs" / name).outcomes) == 7


def test_a_sweep_whose_budgets_are_spent_says_so_by_its_status(
    cluster: VirtualCluster, place: Path, settings: list[str]
):
    sweep = start([*settings, "budget.llm_calls=4"], place, cluster)
    said, complaints = sweep.communicate(timeout=200)
    assert sweep.returncode == 3, complaints
    assert said.count("budget.llm_calls=4 is reached") == len(CAMPAIGNS)
    for name in CAMPAIGNS:
        tables = load(place / "runs" / name)
        assert len(tables.calls) == 4
        assert set(tables.outcomes.idea_id) <= {*tables.ideas.id, "baseline"}


def test_turns_of_a_sweep_leave_their_jobs(
    cluster: VirtualCluster, place: Path, settings: list[str]
):
    turn = start([*settings, "once=true", f"cluster.max_nodes={NODES}"], place, cluster)
    said, complaints = turn.communicate(timeout=100)
    assert turn.returncode == 0, complaints
    assert said.count("the baseline is being measured") == len(CAMPAIGNS)
    assert said.count("1 runs submitted") == NODES
    assert said.count("the cluster takes no more now") == len(CAMPAIGNS) - NODES


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("campaign=same", "two campaigns of this sweep are called"),
        ("cluster.max_nodes=1,2 campaign=n${cluster.max_nodes}-${search.name}-${seed}", "is 1, 2"),
        ("cluster.max_nodes=2 env.nodes=3", "cluster.max_nodes=2, but a run of env=nanogpt_tiny"),
        ("search.epoks=3", "epoks"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_anything_is_made(
    wrong: str, said: str, cluster: VirtualCluster, place: Path, settings: list[str]
):
    for more in ([], ["+dry_run=true"]):
        refused = start([*settings, *wrong.split(), *more], place, cluster)
        _, complaints = refused.communicate(timeout=60)
        assert refused.returncode == 2
        assert said in complaints
        assert "Traceback" not in complaints
    assert not (place / "runs").exists()


def test_campaigns_on_this_machine_share_its_slots(
    cluster: VirtualCluster, place: Path, settings: list[str]
):
    """One slot for all: no training of one campaign overlaps one of another."""
    here = [one for one in settings if "cluster" not in one]
    sweep = start([*here, "cluster=local", "cluster.slots=1"], place, cluster)
    _, complaints = sweep.communicate(timeout=280)
    assert sweep.returncode == 0, complaints
    tables = [load(place / "runs" / name).runs for name in CAMPAIGNS]
    spans = pd.concat(tables).sort_values("started_at")
    assert (spans.started_at.iloc[1:].to_numpy() >= spans.ended_at.iloc[:-1].to_numpy()).all()
