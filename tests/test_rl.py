"""Reinforcement learning as whole campaigns, with a real policy, on an environment of seconds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from airr.ledger import load
from airr.llm.catalogue import Catalogue
from airr.policy.catalogue_policy import Recipe, make_catalogue_policy, texts_of
from airr.policy.checkpoints import is_whole
from tests import toy
from tests.test_evolve import airr

SMALL = [
    *("rl.epochs=2", "rl.group_size=6", "rl.learning_rate=3e-3", "campaign=toy"),
    *("llm=offline", "cluster=local", "policy.max_tokens=64"),
]
RECIPE = Recipe(
    vocabulary=400, width=64, layers=1, heads=2, context=128, steps=250, batch=8, learning_rate=6e-3
)


def make_model(place: Path, catalogue: Mapping[str, toy.Entry] = toy.CATALOGUE) -> Path:
    """Return a policy that knows the toy's catalogue well enough to be implemented, mostly."""
    toy.make_campaign_env(place, catalogue)
    texts = texts_of(Catalogue.read(place / "env" / "catalogue"))
    make_catalogue_policy(texts, place / "model", RECIPE, seed=0, tell=lambda _: None)
    return place / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("toy"))


def settings(
    place: Path, model: Path, *more: str, catalogue: Mapping[str, toy.Entry] = toy.CATALOGUE
) -> list[str]:
    env = toy.make_campaign_env(place, catalogue)
    return [*SMALL, *env, f"policy.model={model}", *more]


def run(place: Path, overrides: Sequence[str]) -> str:
    done = airr("rl", *overrides, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a campaign that has been run to its end, and what it printed."""
    place = tmp_path_factory.mktemp("trained")
    said = run(place, settings(place, model))
    return place / "runs" / "toy", said


def test_every_rollout_is_an_idea_with_one_outcome(trained: tuple[Path, str]):
    tables = load(trained[0])
    assert tables.ideas.groupby("epoch").size().tolist() == [6, 6]
    assert {*tables.ideas.origin} == {"rl"}
    outcomes = tables.outcomes[tables.outcomes.idea_id != "baseline"]
    assert sorted(outcomes.idea_id) == sorted(tables.ideas.id)
    assert (outcomes.status == "scored").any()


def test_the_same_text_is_run_once_and_its_outcome_shared(trained: tuple[Path, str]):
    tables = load(trained[0])
    twins = tables.ideas.dropna(subset="same_as")
    assert len(twins), "two epochs of a small catalogue hold some"
    by_id = tables.outcomes.set_index("idea_id")
    for twin, first in zip(twins.id, twins.same_as, strict=True):
        assert by_id.reward[twin] == by_id.reward[first]
        assert by_id.train_seconds[twin] == 0
    assert not {*twins.id} & {*tables.runs.idea_id}


def test_an_update_follows_each_epoch_and_leaves_a_checkpoint(trained: tuple[Path, str]):
    folder, said = trained
    updates = load(folder).updates
    assert updates.epoch.tolist() == [0, 1]
    assert (updates.rollouts == 6).all()
    assert updates[["loss", "entropy", "kl", "grad_norm"]].notna().all(axis=None)
    assert updates.kl[0] == pytest.approx(0, abs=1e-5)
    assert updates.kl[1] > 0
    assert all(is_whole(folder / "policy" / name) for name in ("e00", "e01"))
    models = load(folder).ideas.groupby("epoch").model.unique().explode().tolist()
    assert models == ["tiny (as it came)", "tiny (e00)"]
    assert "rewards of val_loss" in said
    assert re.search(r"^stages  idea [1-9].*, update [1-9]", said, re.MULTILINE)
    assert "python -m airr.rl" in said


def test_advantages_are_those_of_the_outcomes_in_the_ledger(trained: tuple[Path, str]):
    folder = trained[0]
    order = json.loads((folder / "stages" / "e00-update" / "order-0.json").read_text())
    tables = load(folder)
    rewards = tables.outcomes.set_index("idea_id").reward
    (lesson,) = order["lessons"]
    found = [rewards[f"e00-i{place:03d}"] for place in lesson["places"]]
    mean, spread = (
        sum(found) / len(found),
        rewards.reindex([f"e00-i{place:03d}" for place in lesson["places"]]).std(),
    )
    expected = [(reward - mean) / spread for reward in found]
    assert lesson["advantages"] == pytest.approx(expected, rel=1e-3)


def test_the_same_command_again_has_nothing_to_do_and_more_epochs_go_on(
    trained: tuple[Path, str], model: Path, tmp_path: Path
):
    shutil.copytree(trained[0].parent.parent, tmp_path, dirs_exist_ok=True)
    charter = tmp_path / "runs" / "toy" / "campaign.yaml"
    config = yaml.safe_load(charter.read_text())["config"]
    env = [f"env.{name}={config['env'][name]}" for name in ("folder", "train_data", "sealed_data")]
    preflight = config["env"]["preflight"]
    more = [f"env.preflight.{name}={preflight[name]}" for name in ("train_data", "sealed_data")]
    overrides = [*settings(tmp_path / "unused", model), *env, *more, f"root={tmp_path / 'runs'}"]
    assert "is complete" in run(tmp_path, overrides)
    shutil.move(tmp_path / "runs" / "toy" / "policy", tmp_path / "away")
    lost = airr("rl", *overrides, "rl.epochs=3", cwd=tmp_path)
    assert lost.returncode == 2
    assert "cannot be made again" in lost.stderr
    shutil.move(tmp_path / "away", tmp_path / "runs" / "toy" / "policy")
    (tmp_path / "runs" / "toy" / "policy" / "e01" / "model.safetensors").unlink()
    run(tmp_path, [*overrides, "rl.epochs=3"])
    stage = tmp_path / "runs" / "toy" / "stages" / "e01-update"
    assert [p.name for p in stage.glob("failure-*")] == ["failure-0.json"], "made again at once"
    redone, first = (
        load_file(runs / "toy" / "policy" / "e01" / "model.safetensors")
        for runs in (tmp_path / "runs", trained[0].parent)
    )
    assert all(redone[name].equal(first[name]) for name in first), "and is what it was"
    assert "policy: 3 of 3 updates" in airr("status", "campaign=toy", cwd=tmp_path).stdout
    updates = load(tmp_path / "runs" / "toy").updates
    assert updates.epoch.tolist() == [0, 1, 2]
    kept = sorted(path.name for path in (tmp_path / "runs" / "toy" / "policy").iterdir())
    learned = updates.epoch[updates.rollouts > 0].tail(2)  # where all failed, none is made
    assert kept == [f"e{epoch:02d}" for epoch in learned], "the oldest has made room"


def test_status_says_how_far_the_policy_is(trained: tuple[Path, str], tmp_path: Path):
    shown = airr("status", f"campaign={trained[0]}", cwd=tmp_path).stdout
    assert "complete" in shown
    assert "policy: 2 of 2 updates" in shown
    shutil.copytree(trained[0], tmp_path / "runs" / "toy")
    (tmp_path / "runs" / "toy" / "stages" / "e01-update" / "result.json").unlink()
    shown = airr("status", "campaign=toy", cwd=tmp_path).stdout
    assert "its job e01-update is out" in shown


def test_a_policy_that_is_not_prepared_is_refused_with_the_command_that_prepares_it(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    done = airr("rl", *SMALL, *env, f"data={tmp_path}", cwd=tmp_path)
    assert done.returncode == 2
    assert "python -m airr.prepare env=nanogpt_tiny policy=tiny" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_best_of_more_than_the_group_is_refused(tmp_path: Path):
    done = airr("rl", "rl.objective=max_at_k", "rl.k=9", "rl.group_size=8", cwd=tmp_path)
    assert (done.returncode, "rl.k=9: it must be from 1 to 8" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("rl.group_size=1", "rl.group_size=1: it must be from 2"),
        ("rl.objective=best", "rl.objective=best: choose one of mean, max_at_k, entropic"),
        ("rl.keep=1", "rl.keep=1: it must be from 2"),
        ("rl.epochs=0", "rl.epochs=0: it must be from 1"),
        ("search.epochs=1", "search.epochs=1: in airr.rl it follows rl.epochs, write rl.epochs=1"),
        ("search.ideas_per_epoch=4", "it follows rl.group_size, write rl.group_size=4"),
        ("search.repeats=2", "search.repeats=2: airr.rl has no such choice"),
        ("search.screen.rungs=[0.5]", "a policy learns from full runs, leave them out"),
        ("policy.temperature=0", "policy.temperature=0: it must be from 0.01"),
        ("once=true", "once=true leaves the jobs to the cluster, but with cluster=local"),
        ("llm.ensemble={b: {model: c}}", "llm.ensemble: in airr.rl the policy alone proposes"),
    ],
)
def test_settings_out_of_range_are_told_by_name(tmp_path: Path, setting: str, said: str):
    done = airr("rl", setting, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_dry_run_says_what_its_jobs_may_take_and_does_nothing(tmp_path: Path, model: Path):
    said = run(tmp_path, [*settings(tmp_path, model), "policy.gpus=0", "+dry_run=true"])
    assert "4, one to sample and one to update an epoch" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_policies_are_trained_side_by_side_and_compared(tmp_path: Path, model: Path):
    overrides = settings(tmp_path, model, "campaign='s${seed}'", "seed=0,1", "rl.epochs=1")
    said = run(tmp_path, ["-m", *overrides])
    for name in ("s0", "s1"):
        assert load(tmp_path / "runs" / name).updates.epoch.tolist() == [0]
        assert re.search(rf"^ *{name} +6 +\d", said, re.MULTILINE), said


@pytest.mark.long
def test_a_job_that_fails_is_followed_by_another_and_then_told_in_its_words(
    tmp_path: Path, model: Path
):
    overrides = settings(tmp_path, model, "policy.sample_seconds=6", "cluster.max_retries=1")
    done = airr("rl", *overrides, cwd=tmp_path)
    assert done.returncode == 2
    assert "e00-sample gave nothing, job after job: it was ended at its time limit" in done.stderr
    stage = tmp_path / "runs" / "toy" / "stages" / "e00-sample"
    assert len([*stage.glob("failure-*.json")]) == 2


@pytest.mark.long
def test_late_ideas_join_the_next_update(tmp_path: Path, model: Path):
    slow = "env.train.argv=[/bin/sh,-c,'sleep 4 && exec {python} train.py']"
    overrides = settings(tmp_path, model, slow, "rl.patience=3", "rl.epochs=3")
    run(tmp_path, overrides)
    updates = load(tmp_path / "runs" / "toy").updates
    assert updates.late.sum() > 0
    outcomes = load(tmp_path / "runs" / "toy").outcomes
    assert len(outcomes) == 3 * 6 + 1
