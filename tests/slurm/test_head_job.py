"""sbatch/head.sbatch on a real Slurm: it hands over, survives its death, and knows when to stop."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from airr.cluster.head_job import name_of_heads
from airr.ledger import load
from airr.legs import MOST_FRUITLESS
from tests import toy
from tests.campaigns import assert_no_run_was_lost, assert_nothing_is_double
from tests.slurm.cluster import VirtualCluster
from tests.slurm.test_campaign import HASTE, jobs_by_name

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[2] / "sbatch" / "head.sbatch"
SLOW = "env.train.argv=[/bin/sh,-c,'sleep 2 && exec {python} train.py']"
KEY = "sk-for-the-head-alone"


@dataclass(frozen=True)
class HeadJobs:
    """The chain of head jobs of one campaign of two epochs with four ideas each."""

    cluster: VirtualCluster
    place: Path
    settings: Sequence[str]

    @property
    def campaign(self) -> Path:
        return self.place / "runs" / "chained"

    @property
    def name(self) -> str:
        return name_of_heads([self.campaign])

    @property
    def log(self) -> str:
        return "".join(path.read_text() for path in self.place.glob("airr-head-*.log"))

    def submit(self, *more: str) -> str:
        """Submit as a user would: from another folder than the repository's."""
        exports = {"AIRR_PYTHON": sys.executable, "ANTHROPIC_API_KEY": KEY}
        said = self.cluster.run(
            *("env", "-C", str(self.place), *(f"{k}={v}" for k, v in exports.items())),
            *("sbatch", "--parsable", "--mem=2G", "--time=30", str(SCRIPT)),
            *(*self.settings, *more),
        )
        assert said.returncode == 0, said.stderr
        return said.stdout.strip()

    def in_queue(self, state: str) -> list[str]:
        """Return the ids of the chain's jobs in one state."""
        return self.cluster.run(
            "squeue", "--noheader", f"--name={self.name}", f"--states={state}", "--format=%i"
        ).stdout.split()

    def until(self, holds: Callable[[], object], what: str, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"never came: {what}\n{self.log}"
            time.sleep(0.2)

    def until_first_submission(self, job_id: str) -> None:
        """Wait until this job is the head, a successor waits, and ideas are being trained."""
        self.until(lambda: self.in_queue("RUNNING") == [job_id], f"{job_id} as the head")
        self.until(lambda: len(self.in_queue("PENDING")) == 1, "one successor")
        self.until(lambda: len(list(self.campaign.glob("jobs/*/batch.json"))) >= 2, "a batch")

    def until_over(self) -> None:
        def is_over() -> bool:
            return not self.in_queue("PENDING,RUNNING,COMPLETING")

        self.until(is_over, "the end of the chain", seconds=150)

    def jobs(self) -> set[str]:
        """Return the ids of every head job that accounting knows of by this chain's name."""
        return jobs_by_name(self.cluster).get(self.name, set())


@pytest.fixture
def heads(cluster: VirtualCluster, tmp_path: Path) -> HeadJobs:
    search = ["search.epochs=2", "search.ideas_per_epoch=4", "campaign=chained"]
    settings = [*toy.make_campaign_env(tmp_path), *search, *HASTE]
    return HeadJobs(cluster, tmp_path, settings)


def assert_whole(heads: HeadJobs) -> None:
    """Every idea has one outcome, and no run was lost on the way."""
    tables = load(heads.campaign)
    assert len(tables.ideas) == 8
    assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
    assert_nothing_is_double(heads.campaign)
    assert_no_run_was_lost(heads.campaign)


def test_a_warned_head_hands_over_and_the_successor_completes_the_campaign(heads: HeadJobs):
    first = heads.submit(SLOW)
    heads.until_first_submission(first)
    (second,) = heads.in_queue("PENDING")
    heads.cluster.run("scancel", "--signal=USR1", "--batch", first)
    heads.until(lambda: heads.in_queue("RUNNING") == [second], "the successor as the head")
    heads.until_over()
    assert_whole(heads)
    assert "USR1: the head stops, its jobs go on" in heads.log
    assert "8 ideas: " in heads.log, "the chain writes one log, which tells of the end"
    assert len(list(heads.place.glob("airr-head-*.log"))) == 1
    assert {first, second} <= heads.jobs()


def test_a_head_killed_outright_is_continued_by_its_successor(heads: HeadJobs):
    first = heads.submit(SLOW)
    heads.until_first_submission(first)
    (second,) = heads.in_queue("PENDING")
    heads.cluster.run("scancel", "--signal=KILL", "--batch", first)
    heads.until_over()
    assert_whole(heads)
    assert {first, second} <= heads.jobs()


def test_a_head_that_crashes_at_once_ends_the_chain_and_says_so(heads: HeadJobs):
    (heads.campaign / "airr.log").mkdir(parents=True)
    heads.submit()
    heads.until(lambda: "this chain ends here" in heads.log, "the guard")
    heads.until_over()
    assert "the file system or the network refused" in heads.log
    assert heads.log.count("the head ended with 1") == MOST_FRUITLESS


def test_a_mistake_of_the_user_has_no_successor(heads: HeadJobs):
    job = heads.submit("search.epoks=3")
    heads.until(lambda: "epoks" in heads.log, "the message")
    heads.until(lambda: not heads.cluster.run("squeue", "-hj", job).stdout, "its end")
    assert heads.jobs() == set()
    assert "Traceback" not in heads.log


def test_a_budget_that_is_spent_ends_the_chain(heads: HeadJobs):
    first = heads.submit("budget.llm_calls=4")
    heads.until(lambda: "budget.llm_calls=4 is reached" in heads.log, "the bound")
    heads.until_over()
    assert heads.jobs() == {first}, "the successor never began"
    assert 0 < len(load(heads.campaign).ideas) <= 8
    heads.submit("budget.llm_calls=1000")
    heads.until(lambda: "8 ideas: " in heads.log, "the end")
    heads.until_over()
    assert_whole(heads)


def test_a_second_head_job_of_a_campaign_leaves_the_first_alone(heads: HeadJobs):
    first = heads.submit(SLOW)
    heads.until_first_submission(first)
    heads.submit(SLOW)
    heads.until(lambda: f"job {first} is the head of this campaign already" in heads.log, "refusal")
    assert heads.in_queue("RUNNING") == [first]
    assert len(heads.in_queue("PENDING")) == 1
    heads.until_over()
    assert_whole(heads)


def environments_of(place: Path, module: str) -> list[dict[str, str]]:
    """Return what processes of a module see that has this folder among its arguments."""
    found: list[dict[str, str]] = []
    for process in psutil.process_iter():
        try:
            line = shlex.join(process.cmdline())
            if module in line and str(place) in line and process.pid != os.getpid():
                found.append(process.environ())
        except psutil.Error:
            continue  # it ended meanwhile
    return found


def test_the_head_has_the_keys_and_its_jobs_have_not(heads: HeadJobs):
    heads.submit(SLOW)
    workers: list[dict[str, str]] = []

    def seen() -> bool:
        workers.extend(environments_of(heads.place, "airr.worker"))
        return any("SLURM_ARRAY_JOB_ID" in worker for worker in workers)

    heads.until(seen, "a worker in a job")
    (head,) = environments_of(heads.place, "airr.evolve")
    assert head["ANTHROPIC_API_KEY"] == KEY
    assert not [worker for worker in workers if KEY in worker.values()]
    heads.until_over()
