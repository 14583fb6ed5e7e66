"""`once=true` on a real Slurm: turns, as cron takes them, complete a campaign."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import yaml

from airr.ledger import load
from tests import toy
from tests.campaigns import (
    Command,
    assert_no_run_was_lost,
    assert_nothing_is_double,
    what_came_of_it,
)
from tests.slurm.cluster import VirtualCluster
from tests.slurm.test_campaign import HASTE, jobs_by_name

pytestmark = pytest.mark.long

SEARCH = ["search.epochs=2", "search.ideas_per_epoch=4"]
SLOW = "env.train.argv=[/bin/sh,-c,'sleep 4 && exec {python} train.py']"


@dataclass(frozen=True)
class Turns:
    """One command in a crontab."""

    cluster: VirtualCluster
    place: Path
    settings: Sequence[str]

    @property
    def folder(self) -> Path:
        return self.place / "runs" / "turns"

    @property
    def batches(self) -> set[str]:
        """Return the names of the submitted arrays."""
        return {one.name for one in (self.folder / "jobs").iterdir()}

    def take(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "airr.evolve", *self.settings, "once=true", *more],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.place,
            env=os.environ | self.cluster.environment,
            check=False,
        )

    def take_all(self, *more: str, until: str = "\ncomplete", status: int = 0) -> list[str]:
        """Take turns until one says so and ends with that status; return what they said."""
        said: list[str] = []
        for _ in range(40):
            turn = self.take(*more)
            said.append(turn.stdout)
            is_last = until in turn.stdout
            assert turn.returncode == (status if is_last else 0), turn.stderr
            if is_last:
                return said
            time.sleep(1)
        raise AssertionError("\n".join(said))


def workers_in(folder: Path) -> list[psutil.Process]:
    """Return the batch steps that run a worker for a campaign."""
    found = psutil.process_iter(["cmdline"])
    lines = {process: " ".join(process.info["cmdline"] or ()) for process in found}
    return [p for p, line in lines.items() if "airr.worker" in line and f"{folder}/" in line]


@pytest.fixture
def turns(cluster: VirtualCluster, tmp_path: Path) -> Turns:
    # a tick of 30 s: whoever waits for the cluster within a turn is found out
    patient = [one for one in HASTE if "tick_seconds" not in one]
    settings = [*toy.make_campaign_env(tmp_path), *SEARCH, *patient, "campaign=turns"]
    return Turns(cluster, tmp_path, settings)


@pytest.mark.parametrize("seeds", [[], ["search.repeats=2", "search.baseline_seeds=2"]])
def test_turns_complete_a_campaign_as_one_long_head_does(seeds: list[str], turns: Turns):
    said = turns.take_all(*seeds)
    whole = [*turns.settings, *seeds, "campaign=whole", "cluster.tick_seconds=0.5"]
    Command(whole, turns.place / "log.txt", turns.cluster.environment).finish()
    runs = turns.place / "runs"
    assert what_came_of_it(runs / "turns") == what_came_of_it(runs / "whole")
    assert_nothing_is_double(runs / "turns")
    assert_no_run_was_lost(runs / "turns")
    tables = load(runs / "turns")
    jobs = jobs_by_name(turns.cluster)
    assert all(len(jobs[name]) == 1 for name in set(tables.runs.batch))
    assert re.search(r"[12] runs submitted\nwaits for .* the baseline is being measured", said[0])
    assert "4 ideas proposed" in "".join(said)


def test_turns_end_with_the_budget_and_go_on_with_a_larger_one(turns: Turns):
    turns.take_all("budget.llm_calls=4", until="budget.llm_calls=4 is reached", status=3)
    assert len(load(turns.folder).calls) == 4
    turns.take_all("budget.llm_calls=1000")
    assert len(load(turns.folder).ideas) == 8
    assert_nothing_is_double(turns.folder)


def test_a_turn_leaves_its_jobs_running_and_the_lease_free(turns: Turns):
    endless = "env.train.argv=[/bin/sh,-c,'sleep 40']"
    first = turns.take(endless)
    assert first.returncode == 0, first.stderr
    queued = turns.cluster.run("squeue", "--noheader", "--format=%j").stdout.split()
    assert turns.batches == {name for name in queued if name in turns.batches}
    assert not any((turns.folder / "lease").iterdir())
    second = turns.take(endless, "search.epochs=3")
    turns.cluster.run("scancel", f"--name={','.join(turns.batches)}")
    assert "0 outcomes, 0 ideas proposed, 0 implemented, 0 runs submitted" in second.stdout
    assert "waits for 1 running and 0 queued jobs" in second.stdout


def test_a_turn_is_no_part_of_what_a_campaign_was_started_with(turns: Turns):
    turns.take()
    frozen = yaml.safe_load((turns.folder / "campaign.yaml").read_text())
    assert "once" not in frozen["config"]


def test_a_turn_beside_a_living_head_does_nothing_and_succeeds(turns: Turns):
    long = [*turns.settings, SLOW, "cluster.tick_seconds=0.5"]
    command = Command(long, turns.place / "log.txt", turns.cluster.environment)
    with command.running() as head:
        lease = turns.folder / "lease"
        while not any(lease.glob("0*.json")):
            assert head.poll() is None
            time.sleep(0.05)
        turn = turns.take(SLOW)
        assert turn.returncode == 0
        assert f"is being run by process {head.pid} on this machine" in turn.stdout
        assert "this turn has nothing to do" in turn.stdout
        assert head.wait(timeout=120) == 0


def test_turns_run_a_job_again_that_left_no_result(turns: Turns):
    """Killed without a word: the turn that misses it waits until it is sure, and goes on."""
    turns = replace(turns, settings=[*turns.settings, SLOW, "cluster.tick_seconds=1"])
    turns.take()
    while not (workers := workers_in(turns.folder)):
        time.sleep(0.1)
    for worker in workers:
        worker.kill()
    turns.take_all()
    runs = load(turns.folder).runs
    ends = runs.query("idea_id == 'baseline'").sort_values("attempt").state
    assert len(ends) == 2
    assert ends.iloc[-1] == "completed"
