"""A user without privileges drives Slurm as root does, also where no accounting is."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Generator
from pathlib import Path

import pytest

from airr.ledger import load
from airr.resources import PACKAGE
from tests import toy
from tests.campaigns import Command, assert_nothing_is_double, what_came_of_it
from tests.slurm.cluster import VirtualCluster


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder that is open to every user, as pytest's own are not."""
    folder = Path(f"/tmp/airr-nobody-{os.getpid()}")
    folder.mkdir()
    folder.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    yield folder
    shutil.rmtree(folder)


def run_as_nobody(
    cluster: VirtualCluster, *arguments: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (python_for_everyone(), *arguments),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{PACKAGE.parent}:{sysconfig.get_path('purelib')}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **cluster.environment,
        },
        cwd="/",
        user="nobody",
        group="nogroup",
        extra_groups=(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_an_ordinary_user_submits_and_surveys(cluster: VirtualCluster, folder: Path):
    done = run_as_nobody(cluster, "-m", "tests.slurm.ordinary_user", str(folder), seconds=60)
    assert done.stdout.split() == ["completed", "completed"], done.stderr
    assert {path.owner() for path in folder.glob("*.log")} == {"nobody"}


@pytest.mark.long
def test_an_ordinary_user_runs_a_campaign_where_nobody_keeps_account(
    cluster_without_accounting: VirtualCluster, folder: Path
):
    """The controller forgets a job two seconds after its end, and nothing else remembers it."""
    settings = [
        *toy.make_campaign_env(folder),
        *("llm=offline", "cluster=slurm", "cluster.tick_seconds=1"),
        *("cluster.lost_after_seconds=5", "search.epochs=2", "search.ideas_per_epoch=4"),
    ]
    (folder / "runs").mkdir()
    (folder / "runs").chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    evolve = ("-m", "airr.evolve", *settings, "campaign=unaccounted")
    done = run_as_nobody(cluster_without_accounting, *evolve, seconds=150)
    assert done.returncode == 0, done.stdout + done.stderr
    here = Command([*settings, "cluster=local", "campaign=here"], folder / "log.txt", {})
    here.finish()
    campaign = folder / "runs" / "unaccounted"
    assert what_came_of_it(campaign) == what_came_of_it(folder / "runs" / "here")
    assert_nothing_is_double(campaign)
    assert (load(campaign).runs.state == "completed").all()
    assert {path.owner() for path in campaign.rglob("*.log")} == {"nobody"}


def python_for_everyone() -> str:
    """Return this Python, or the system's where this one lies in a closed home."""
    try:
        subprocess.run((sys.executable, "-c", ""), user="nobody", check=True)
    except PermissionError:
        return "/usr/bin/python3"
    return sys.executable
