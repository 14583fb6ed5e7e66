"""docs/environment.md followed literally: its files and its commands, in the order of the page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airr.ledger import load
from airr.worker.score import _spec
from airr.worker.scratch import Scratch
from airr.worker.train import Part, training_view
from tests import toy
from tests.docs.markdown import ROOT, SHELL, blocks_of

PAGE = ROOT / "docs" / "environment.md"
TRAVELS = ("airr", "conf", "envs", "prompts", "sbatch")


def as_script() -> str:
    """Return the page as one shell script, which writes a file where the page shows one."""
    lines = ["set -euo pipefail"]
    for block in blocks_of(PAGE):
        if block.path:
            lines += [f"cat > {block.path} <<'END OF THE FILE'", block.text + "END OF THE FILE"]
        elif block.language == SHELL:
            lines.append(block.text)
    return "\n".join(lines)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the repository, with the environment that `make install` makes."""
    folder = tmp_path_factory.mktemp("place") / "airr"
    for name in TRAVELS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def followed(clone: Path) -> str:
    """What the commands of the page print, one after the other."""
    done = subprocess.run(
        ["bash", "-c", as_script()],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin", "HOME": str(clone), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_the_check_finds_nothing_amiss_and_sees_the_cheat_fail(followed: str):
    assert followed.count("\nusable: ") == 1
    assert "ok       library_digits  All images of the library: crash while preflight" in followed
    assert "warning" not in followed


def test_an_environment_is_found_outside_of_the_clone(followed: str, clone: Path):
    assert not (clone / "envs" / "mine").exists()
    assert "Dry run: nothing is created, submitted or asked." in followed
    assert "env         mine: a scikit-learn pipeline" in followed


def test_the_campaign_goes_through_the_whole_loop_in_the_sandbox(followed: str, clone: Path):
    assert "sandbox bubblewrap" in followed
    tables = load(clone / "runs" / "mine-evolution-s0")
    assert len(tables.outcomes) == 3
    assert "library_digits" in " ".join(tables.ideas.text)
    _, baseline, best = tables.outcomes.sort_values("reward").to_dict("records")
    assert {best["scorer_version"], baseline["scorer_version"]} == {"mine-1"}
    assert (baseline["idea_id"], best["status"]) == ("baseline", "scored")
    assert baseline["metric"] == pytest.approx(0.93, abs=0.02)
    assert best["metric"] > baseline["metric"] + 0.02
    assert (clone / "runs" / "mine-evolution-s0" / "report.html").stat().st_size > 10_000


def test_the_page_shows_the_files_of_the_environment_that_ships():
    shown = {block.path: block.text for block in blocks_of(PAGE) if block.path}
    assert len(shown) == 9
    for path, text in shown.items():
        shipped = (ROOT / path.replace("mine", "example")).read_text()
        assert text == shipped.replace("example", "mine"), path
    catalogue = {path for path in shown if "catalogue" in path}
    shipped = [path for path in (ROOT / "envs" / "example").rglob("*") if path.is_file()]
    paths = {path.relative_to(ROOT).as_posix().replace("example", "mine") for path in shipped}
    lacking = {path for path in paths if "catalogue" not in path and "__pycache__" not in path}
    assert lacking <= shown.keys() - catalogue


def test_the_page_lists_what_training_and_scorer_are_given(tmp_path: Path):
    scratch, plan = Scratch(tmp_path), toy.plan(tmp_path)
    part = Part(plan=plan, seed=0, scratch=scratch, deadline=0.0)
    given = {name for name in training_view(part).environment if name.startswith("AIRR_")}
    assert _table("variable") == given | {"AIRR_SAVE_EVERY"}
    assert _table("spec") == _spec(plan, 0, scratch, tmp_path).keys()


def _table(title: str) -> set[str]:
    """Return the names in the first column of the table with this title."""
    rows = PAGE.read_text().partition(f"| {title} | what it is |\n")[2].partition("\n\n")[0]
    return {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
