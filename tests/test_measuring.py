"""`airr.baseline` and `airr.verify` as a user types them, where the noise is known."""

import random
import re
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import Command, assert_nothing_is_double, kill_at_random
from tests.test_evolve import airr

HERE = ["cluster=local"]
SEARCH = ["search.epochs=1", "search.ideas_per_epoch=4", "llm=offline", *HERE]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def noisy(place: Path) -> list[str]:
    return toy.make_campaign_env(place, toy.PLANTED, toy.NOISY)


@pytest.fixture(scope="module")
def searched(place: Path, noisy: list[str]) -> Path:
    """A campaign that tried every planted idea once, with seed 0."""
    done = airr("evolve", *SEARCH, *noisy, "campaign=toy", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "runs" / "toy"


def slug_of(line: str) -> str:
    found = re.search(r"The idea (\w+) may help", line)
    assert found, line
    return found[1]


def test_the_baseline_s_scatter_over_seeds_is_told(place: Path, noisy: list[str]):
    done = airr("baseline", "seeds=4", *HERE, *noisy, cwd=place)
    assert done.returncode == 0, done.stderr
    outcomes = load(place / "runs" / "nanogpt_tiny-baseline").outcomes
    assert sorted(outcomes.repeat) == [0, 1, 2, 3]
    assert f"val_loss {outcomes.metric.mean():.4f}, the mean of 4 seeds" in done.stdout
    assert f"spread   {outcomes.metric.std():.4f}" in done.stdout
    assert "error    0.0100, of a single score" in done.stdout
    assert "tokens/s 1,000 (by the training itself)" in done.stdout
    assert [*outcomes.reported] == [{"tokens_per_second": 1000.0}] * 4


def test_more_seeds_go_on_from_those_that_are_there(place: Path, noisy: list[str]):
    airr("baseline", "seeds=2", *HERE, *noisy, "campaign=more", cwd=place)
    before = load(place / "runs" / "more").outcomes
    assert airr("baseline", "seeds=5", *HERE, *noisy, "campaign=more", cwd=place).returncode == 0
    after = load(place / "runs" / "more").outcomes
    assert sorted(load(place / "runs" / "more").runs.seed) == [0, 1, 2, 3, 4]
    assert after.head(2).equals(before)
    again = airr("baseline", "seeds=5", *HERE, *noisy, "campaign=more", cwd=place)
    assert "nothing was left to do" in again.stdout
    told = airr("status", "campaign=more", cwd=place)
    assert "a measurement: 5 of 5 runs done, 5 scored, none failed" in told.stdout


def test_a_baseline_that_is_killed_anywhere_measures_every_seed_once(place: Path, noisy: list[str]):
    overrides = ["seeds=12", *HERE, *noisy, "campaign=killed"]
    command = Command(overrides, place / "killed.log", {}, verb="baseline")
    met = kill_at_random(command, kills=3, longest=1.6, rng=random.Random(4), children=True)
    assert met > 0
    command.finish()
    assert_nothing_is_double(place / "runs" / "killed")
    assert sorted(load(place / "runs" / "killed").outcomes.repeat) == list(range(12))


def test_a_dry_run_names_the_cost_and_leaves_nothing(place: Path, noisy: list[str]):
    told = airr("baseline", "env=nanogpt", "seeds=5", "campaign=dry", "+dry_run=true", cwd=place)
    assert told.returncode == 0, told.stderr
    assert "GPU-hours 20.0 at most, 16.7 of them for training" in told.stdout
    assert not (place / "runs" / "dry").exists()


@pytest.fixture(scope="module")
def verified(searched: Path, place: Path) -> str:
    """What the second of two verifications said: the first had one idea and two seeds."""
    first = airr("verify", "campaign=toy", "top=1", "seeds=2", *HERE, cwd=place)
    assert first.returncode == 0, first.stderr
    assert set(load(place / "runs" / "toy-verify").runs.seed) == {1000, 1001}
    second = airr("verify", "campaign=toy", "top=4", "seeds=5", *HERE, cwd=place)
    assert second.returncode == 0, second.stderr
    return second.stdout


def test_the_search_takes_luck_for_merit(searched: Path):
    """Or the tests below would prove nothing."""
    found = load(searched).outcomes.set_index("idea_id").metric.drop("baseline").sort_values()
    texts = load(searched).ideas.set_index("id").text
    assert [slug_of(texts[idea]) for idea in found.index][:3] == ["cheat", "lucky", "better"]


def test_verify_ranks_the_better_idea_over_the_lucky_one(verified: str):
    rows = [line for line in verified.splitlines() if line.startswith(" e00-")]
    verdicts = {slug_of(row): row for row in rows}
    assert next(iter(verdicts)) == "better"
    assert re.search(r"\+0\.\d{4} +better, p=\d", verdicts["better"])
    assert "within noise (p=" in verdicts["lucky"]
    assert "within noise (p=" in verdicts["neutral"]


def test_a_cheat_is_shown_with_what_it_did(verified: str):
    rows = [line for line in verified.splitlines() if line.startswith(" e00-")]
    assert slug_of(rows[-1]) == "cheat"
    assert "failed 5 of 5: crash" in rows[-1]
    assert len(re.findall(r"seed 100\d: crash while train: ZeroDivisionError", verified)) == 5


def test_a_verification_goes_on_with_fresh_seeds_and_pays_for_nothing_twice(
    verified: str, searched: Path, place: Path
):
    fresh = load(place / "runs" / "toy-verify")
    assert set(load(searched).runs.seed) == {0}
    assert set(fresh.runs.seed) == {1000, 1001, 1002, 1003, 1004}
    assert len(fresh.outcomes) == len(fresh.runs) == 5 * 5
    assert_nothing_is_double(place / "runs" / "toy-verify")
    again = airr("verify", "campaign=toy", "top=2", "seeds=3", *HERE, cwd=place)
    assert "nothing was left to do" in again.stdout


def test_a_dry_run_of_a_verification_counts_the_ideas_that_there_are(searched: Path, place: Path):
    many = ["campaign=toy", "top=99", "seeds=1", "+dry_run=true"]
    told = airr("verify", *many, *HERE, cwd=place)
    scored = load(searched).outcomes.query("status == 'scored'").idea_id.nunique()
    assert f"{scored} codebases with 1 seed each (1000 to 1000): {scored} runs" in told.stdout


def test_seeds_of_the_search_are_refused(searched: Path, place: Path):
    refused = airr("verify", "campaign=toy", "seed=0", *HERE, cwd=place)
    assert refused.returncode == 2
    assert "the search has used seed 0" in refused.stderr


def test_ideas_are_not_run_on_another_codebase(searched: Path, place: Path):
    refused = airr("verify", "campaign=toy", "env=nanogpt_tiny", *HERE, cwd=place)
    assert refused.returncode == 2
    assert "has the codebase of envs/nanogpt, but the ideas of toy are diffs" in refused.stderr


def test_a_verification_of_nothing_is_refused(searched: Path, place: Path):
    refused = airr("verify", "campaign=toy", "top=0", *HERE, cwd=place)
    assert refused.returncode == 2
    assert "top=0: it must be at least 1" in refused.stderr


def test_what_is_no_search_is_not_verified(place: Path, noisy: list[str]):
    airr("baseline", "seeds=1", *HERE, *noisy, "campaign=single", cwd=place)
    assert "is no search" in airr("verify", "campaign=single", *HERE, cwd=place).stderr
    assert "which campaign?" in airr("verify", *HERE, cwd=place).stderr
    assert not (place / "runs" / "single-verify").exists()


def test_at_another_scale_the_ranks_of_both_are_compared(
    searched: Path, place: Path, noisy: list[str]
):
    """The same codebase in an environment of another name, as `nanogpt` is to a small one."""
    other = ["env=nanogpt_small", *noisy, "env.gpus=0", "env.cpus=1"]
    done = airr("verify", "campaign=toy", "top=4", "seeds=2", *other, *HERE, cwd=place)
    assert done.returncode == 0, done.stderr
    small, large = "that beat the baseline of nanogpt_tiny in the search", "that of nanogpt_small"
    assert re.search(rf"transfer \d of the [123] {small} beat {large}", done.stdout)
    assert re.search(r"rank correlation of the 3 ideas -?[01]\.\d\d \(Spearman", done.stdout)
    assert (place / "runs" / "toy-verify-nanogpt_small").is_dir()
