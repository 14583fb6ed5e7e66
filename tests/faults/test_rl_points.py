"""SIGKILL of the head of airr.rl wherever it touches the disk, of its jobs, and of both.

The points are found by running, as in test_points.py. One more is that of a head which waits for a
job on its policy: the job outlives it. A policy of this size learns the same to the last bit each
time, so that its weights can be compared with those of a campaign that was left alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from airr.ledger import load
from airr.policy.checkpoints import rotate
from airr.policy.orders import Order, read_order
from airr.policy.rollouts import read_group
from tests import toy
from tests.campaigns import (
    Command,
    WatchedTraining,
    assert_nothing_is_double,
    what_came_of_it,
)
from tests.faults.learning import assert_learned_once, betrayed, weights_in
from tests.faults.reading import read_all_along
from tests.faults.shaken import Shaken
from tests.test_rl import make_model, settings

KEEP = 2
LEARNING = ["cluster.sandbox=none", "rl.group_size=4", "rl.learning_rate=1e-3", f"rl.keep={KEEP}"]
CATALOGUE = {slug: toy.CATALOGUE[slug] for slug in ("better", "worse", "neutral", "crash")}
LEARNER = "reinforcement"
"""The module that takes an epoch on: what it asks for is told apart from what others do."""
PATIENCE = 240
"""Seconds for what takes twenty where nothing else runs."""


@dataclass(frozen=True)
class Ground:
    """Where campaigns of one policy run."""

    place: Path
    settings: Sequence[str]
    training: WatchedTraining

    def campaign(self, name: str, *more: str) -> Shaken:
        return Shaken.of(self.place, name, [*self.settings, *more], verb="rl")

    def assert_sound(self, campaign: Shaken, *, jobs: int = 1) -> None:
        """Nothing is double, ran twice, taught twice, or is left; every idea has its outcome."""
        assert_nothing_is_double(campaign.folder)
        tables = load(campaign.folder)
        assert {*tables.outcomes.idea_id} == {"baseline", *tables.ideas.id}
        self.training.assert_each_ran_once(campaign.folder, {*tables.runs.id})
        assert_learned_once(campaign.folder, KEEP, jobs=jobs)
        campaign.assert_nothing_is_left_running()


def make_ground(place: Path) -> Ground:
    model = make_model(place / "policy", CATALOGUE)
    training = WatchedTraining(place / "trainings")
    overrides = settings(place, model, *LEARNING, training.override("true"), catalogue=CATALOGUE)
    return Ground(place, overrides, training)


def test_killed_wherever_it_takes_an_epoch_on_or_waits_for_a_job_it_learns_once(tmp_path: Path):
    ground = make_ground(tmp_path)
    shaken = ground.campaign("shaken", "rl.epochs=1")
    with betrayed(shaken.folder) as stages:
        points = shaken.die_at_every_point(PATIENCE, LEARNER)
    assert len(points) >= 14
    assert "reinforcement.learn/_sampled/ledger._commit: rename ledger" in points
    assert "reinforcement.learn/_updated/_enter_update/ledger._commit: rename ledger" in points
    assert stages == {"e00-sample", "e00-update"}
    ground.assert_sound(shaken)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return make_ground(tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="module")
def calm(ground: Ground) -> Shaken:
    """Return a campaign that was left alone: three updates, of which the last two are kept."""
    calm = ground.campaign("calm", "rl.epochs=3")
    assert calm.run(seconds=PATIENCE) == 0, calm.said
    ground.assert_sound(calm)
    assert len(weights_in(calm.folder)) == KEEP
    assert (load(calm.folder).updates.rollouts > 0).sum() > KEEP, "nothing has to make room"
    return calm


def assert_alike(campaign: Shaken, calm: Shaken) -> None:
    """All that was proposed, found and learned is that of an undisturbed campaign, to the bit."""
    assert what_came_of_it(campaign.folder) == what_came_of_it(calm.folder)
    own, other = (load(one.folder).updates.set_index("epoch") for one in (campaign, calm))
    seen = ["rollouts", "late", "reward_mean", "reward_max", "loss", "kl", "entropy", "tokens"]
    assert own[seen].equals(other[seen])
    assert weights_in(campaign.folder) == weights_in(calm.folder)


@pytest.mark.long
@pytest.mark.timeout(4 * PATIENCE)
@pytest.mark.parametrize(
    ("module", "jobs"),
    [("", 1), (LEARNER, 1), ("", 2)],
    ids=["anywhere", "taking epochs on", "anywhere, jobs with it"],
)
def test_killed_at_every_point_and_beside_every_job_the_weights_are_those_of_a_calm_one(
    module: str, jobs: int, ground: Ground, calm: Shaken
):
    shaken = ground.campaign(f"shaken-{module}-{jobs}", "rl.epochs=3")
    with (
        read_all_along(shaken.folder) as reader,
        betrayed(shaken.folder, with_job=jobs > 1) as stages,
    ):
        points = shaken.die_at_every_point(PATIENCE, module)
    pulse = {"lease.keep: utime lease"}
    assert module or calm.met() - pulse <= {*points}
    assert any("rotate: rmtree policy" in point for point in points)
    assert stages == {path.name for path in shaken.folder.glob("stages/*")}
    assert reader.complaints == []
    ground.assert_sound(shaken, jobs=jobs)
    assert_alike(shaken, calm)


@pytest.mark.long
@pytest.mark.timeout(4 * PATIENCE)
def test_an_update_whose_checkpoint_was_lost_is_made_again_once_wherever_the_head_is_killed(
    ground: Ground, calm: Shaken
):
    before = ground.campaign("lost", "rl.epochs=2")
    assert before.run(seconds=PATIENCE) == 0, before.said
    first = weights_in(before.folder)
    (before.folder / "policy" / "e01" / "model.safetensors").unlink()
    after = replace(ground.campaign("lost", "rl.epochs=3"), trace=ground.place / "again.trace")
    with betrayed(after.folder) as stages:
        points = after.die_at_every_point(PATIENCE, LEARNER)
    again = [point for point in points if "/_made_again" in point]
    assert any("put_down_failure: rename" in point for point in again)
    assert any("remove stages" in point for point in again)
    assert any("_stage/" in point for point in again)
    assert stages == {"e01-update", "e02-sample", "e02-update"}
    ground.assert_sound(after, jobs=2)
    names = [path.name for path in after.folder.glob("stages/*/order-*.json")]
    assert sorted(names) == ["order-0.json"] * 6 + ["order-1.json"], "it was asked for once more"
    assert weights_in(after.folder)["e01"] == first["e01"]
    assert_alike(after, calm)


def undone(campaign: Path, stage: str, folder: Path) -> Order:
    """Copy a campaign to `folder` as it was before a stage's job began, and return its order."""
    shutil.copytree(campaign, folder)
    path = folder / "stages" / stage / "order-0.json"
    path.write_text(path.read_text().replace(str(campaign), str(folder)))
    order = read_order(path)
    for file in (order.heartbeat, order.log, path.with_name("result.json")):
        file.unlink()
    product = Path(order.product)
    shutil.rmtree(product) if product.is_dir() else product.unlink()
    return order


@pytest.mark.long
@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.parametrize(
    ("stage", "verb"),
    [("e02-sample", "policy.work"), ("e02-update", "policy.work"), ("e02-update", "policy.job")],
)
def test_a_job_killed_at_every_point_puts_the_same_in_place_at_last(
    stage: str, verb: str, ground: Ground, calm: Shaken
):
    folder = calm.folder.with_name(f"{stage}-{verb}")
    order = undone(calm.folder, stage, folder)
    arguments = [str(order.file), *(["0"] if verb == "policy.job" else [])]
    log, trace = (ground.place / f"{folder.name}.{end}" for end in ("log", "trace"))
    job = Shaken(Command(arguments, log, {}, verb), folder, trace)
    points = job.die_at_every_point(PATIENCE)
    rotate(folder / "policy", KEEP)
    assert {path.name for path in (folder / "policy").iterdir()} == {*weights_in(calm.folder)}
    assert len(points) >= {"policy.work": 4, "policy.job": 2}[verb], points
    assert weights_in(folder) == weights_in(calm.folder)
    assert read_group(folder / "stages/e02-sample/rollouts.parquet") == read_group(
        calm.folder / "stages/e02-sample/rollouts.parquet"
    )
    job.assert_nothing_is_left_running()


@pytest.mark.long
@pytest.mark.timeout(4 * PATIENCE)
def test_rollouts_that_are_judged_late_teach_once_wherever_the_head_is_killed(ground: Ground):
    slowly = WatchedTraining(ground.place / "slow-trainings")
    late = replace(ground, training=slowly)
    slow = (slowly.override("sleep 4"), "rl.patience=5", "rl.group_size=8", "rl.epochs=3")
    shaken = late.campaign("late", *slow)
    with read_all_along(shaken.folder) as reader, betrayed(shaken.folder):
        shaken.die_at_every_point(PATIENCE, LEARNER)
    assert reader.complaints == []
    late.assert_sound(shaken)
    assert load(shaken.folder).updates.late.sum() > 0, "all came in time, and nothing was tried"
