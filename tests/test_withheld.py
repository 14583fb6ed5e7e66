"""A campaign in which some scores are too good to be believed, and nothing shields candidates."""

import subprocess
from pathlib import Path

import pytest

from airr.display.tables import with_warning
from airr.ledger import load
from tests import toy
from tests.test_evolve import QUICK, airr

HIGHEST_BELIEVED = 1.9


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doubtful")


@pytest.fixture(scope="module")
def finished(place: Path) -> subprocess.CompletedProcess[str]:
    """A campaign whose every gain lies below the plausible."""
    bounds = f"env.metric.plausible=[{HIGHEST_BELIEVED},12.0]"
    overrides = [*toy.make_campaign_env(place), bounds, "cluster.sandbox=none", "seed=2"]
    overrides.append("search.epochs=3")
    done = airr("evolve", *QUICK, *overrides, "campaign=doubtful", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_what_is_withheld_keeps_its_metric_and_earns_nothing(finished, place: Path):
    outcomes = load(place / "runs" / "doubtful").outcomes
    held = outcomes.query("status == 'withheld'")
    assert len(held)
    assert (held.metric < HIGHEST_BELIEVED).all()
    assert (held.reward == 0).all()
    assert (held.reason == "implausible").all()


def test_what_is_withheld_is_nobodys_parent(finished, place: Path):
    tables = load(place / "runs" / "doubtful")
    held = set(tables.outcomes.query("status == 'withheld'").idea_id)
    parents = {parent for parents in tables.ideas.parents for parent in parents}
    assert held & set(tables.ideas.query("epoch == 0").id), "nothing could have been a parent"
    assert parents
    assert not held & parents


def test_people_are_told_of_what_is_withheld_and_that_it_is_not_the_best(finished, place: Path):
    held = load(place / "runs" / "doubtful").outcomes.query("status == 'withheld'").idea_id
    standing = airr("status", "campaign=runs/doubtful", cwd=place)
    for text in (finished.stdout, standing.stdout):
        for idea in held:
            assert f"held    {idea} until it is verified" in text
            assert not [line for line in text.splitlines() if line.startswith(f"{idea} ")]


def test_what_is_withheld_is_verified_first(finished, place: Path):
    outcomes = load(place / "runs" / "doubtful").outcomes
    suspect = outcomes.sort_values("metric").idea_id.iloc[0]
    done = airr("verify", "campaign=doubtful", "top=1", "seeds=1", "cluster=local", cwd=place)
    assert done.returncode == 0, done.stderr
    assert set(load(place / "runs" / "doubtful-verify").ideas.id) == {suspect}
    assert "failed 1 of 1: implausible" in done.stdout
    assert f"{suspect} seed 1000: withheld, implausible: val_loss=" in done.stdout


def test_a_missing_sandbox_is_told_at_the_beginning_at_the_end_and_in_between(
    finished, place: Path
):
    assert finished.stdout.count("WITHOUT a sandbox") == 2
    assert "WITHOUT a sandbox" in airr("status", "campaign=runs/doubtful", cwd=place).stdout


def test_a_missing_sandbox_is_told_in_red():
    (span,) = with_warning("candidates run WITHOUT a sandbox").spans
    assert (span.start, str(span.style)) == (15, "bold red")
