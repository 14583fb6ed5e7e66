"""`+dry_run=true` on a real Slurm: what it shows is what is then submitted, and it does nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from airr.charter import read_charter
from airr.workspace import Workspace
from tests import toy
from tests.slurm.cluster import VirtualCluster
from tests.slurm.people import HASTE, airr

LIMITS = ["env.budget_seconds=60", "env.score_seconds=60"]
SMALL = [
    "cluster=slurm",
    "search.epochs=1",
    "search.ideas_per_epoch=3",
    "env.gpus=2",
    *LIMITS,
    *HASTE,
]


@pytest.fixture
def watched(cluster: VirtualCluster, tmp_path: Path) -> tuple[dict[str, str], Path]:
    """Variables under which every sbatch is noted down before it runs, and where."""
    folder, calls = tmp_path / "bin", tmp_path / "calls.txt"
    folder.mkdir()
    calls.touch()
    wrapper = folder / "sbatch"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {shutil.which("sbatch")} "$@"\n')
    wrapper.chmod(0o755)
    path = subprocess.check_output(["sh", "-c", "echo $PATH"], text=True).strip()
    return {**cluster.environment, "PATH": f"{folder}:{path}"}, calls


def dry_run(place: Path, environment: Mapping[str, str], *arguments: str) -> str:
    done = airr("evolve", *arguments, "+dry_run=true", cwd=place, environment=dict(environment))
    assert done.returncode == 0, done.stderr
    return done.stdout


def script_in(shown: str) -> str:
    """Return the script that a dry run shows."""
    match = re.search(
        r"^--- the next array, .*?-\n(.*?)\n\n--- sbatch", shown, re.DOTALL | re.MULTILINE
    )
    assert match, shown
    return match[1]


def files_below(folder: Path) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


@pytest.mark.timeout(240)
def test_the_script_shown_is_the_one_submitted_and_nothing_is_done(watched, tmp_path: Path):
    environment, calls = watched
    place = tmp_path / "place"
    arguments = [*SMALL, *toy.make_campaign_env(place), "campaign=dry"]
    before = files_below(place)
    shown = dry_run(place, environment, *arguments)
    assert files_below(place) == before
    assert calls.read_text().split() == ["--test-only"]
    assert "Slurm would take it, to start at" in shown
    assert "3 to propose, 3 to implement" in shown
    assert re.search(r"^runs +4: the baseline, 1 epoch of 3$", shown, re.MULTILINE)
    assert re.search(r"^calls .* 3 to 18 for diffs$", shown, re.MULTILINE)
    assert re.search(
        r"^preflights +3 at least on this machine, 2 side by side", shown, re.MULTILINE
    )
    assert re.search(r"^GPU-hours +0.3 at most, 0.1 of them for training", shown, re.MULTILINE)

    done = airr("evolve", *arguments, cwd=place, environment=environment)
    assert done.returncode == 0, done.stderr
    workspace = Workspace(place / "runs" / "dry")
    uid = read_charter(workspace).uid
    (submitted,) = workspace.batch(f"airr-dry-{uid}-b0000").glob("*_submission.sh")
    assert script_in(shown).replace("xxxxxx", uid) == submitted.read_text().rstrip("\n")

    before = files_below(place)
    complete = dry_run(place, environment, *arguments)
    assert "the campaign is complete" in complete
    more = dry_run(place, environment, *arguments, "search.epochs=2")
    assert "3 to propose, 3 to implement" in more
    assert re.search(r"^runs +3: 1 epoch of 3$", more, re.MULTILINE)
    assert f"#SBATCH --job-name=airr-dry-{uid}-b000" in script_in(more)
    assert "#SBATCH --array=0-2%3" in script_in(more)
    assert files_below(place) == before


def test_what_the_site_would_refuse_is_told_with_its_remedy(watched, tmp_path: Path):
    environment, calls = watched
    env = toy.make_campaign_env(tmp_path / "place")
    shown = dry_run(tmp_path / "place", environment, *SMALL, *env, "cluster.partition=nope")
    assert "set cluster.partition to one that `sinfo` lists" in shown
    assert calls.read_text().split() == ["--test-only"]


def test_a_dry_run_is_refused_where_the_run_would_be(watched, tmp_path: Path):
    environment, calls = watched
    env = toy.make_campaign_env(tmp_path / "place")
    wrong = ["env.train_data=nowhere", "+dry_run=true"]
    refused = airr("evolve", *SMALL, *env, *wrong, cwd=tmp_path, environment=environment)
    assert refused.returncode == 2
    assert "python -m airr.prepare" in refused.stderr
    assert calls.read_text() == ""


def test_prompts_are_shown_in_full_on_demand(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    command = ["cluster=local", *HASTE, *env]
    short = airr("evolve", *command, "+dry_run=true", cwd=tmp_path, environment={})
    full = airr("evolve", *command, "+dry_run=prompts", cwd=tmp_path, environment={})
    assert "1 task would run on this machine, " in short.stdout
    assert "VALUE = 2.0" in full.stdout, full.stderr
    assert "VALUE = 2.0" not in short.stdout
    assert "more lines ...]" not in full.stdout
