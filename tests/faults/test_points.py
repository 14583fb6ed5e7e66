"""SIGKILL of a head of this machine at every point at which it touches disk or network.

The points are found by running: each head dies at the first one at which none before it has died.
tests/slurm/test_kill_points.py does the same on a real Slurm.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import (
    WatchedTraining,
    assert_nothing_is_double,
    what_came_of_it,
)
from tests.faults.reading import read_all_along
from tests.faults.shaken import Shaken
from tests.llm.kept import asked_again, askings, kept_in, numbered
from tests.llm.loopback import Asked, Loopback, Reply
from tests.llm.toy_model import ToyModel, is_ideation, said_to

HERE = ["cluster=local", "cluster.sandbox=none"]
ASKING = ["search.epochs=2", "search.ideas_per_epoch=3", "implement.samples=1"]
OFFLINE = ["llm=offline", "search.epochs=2", "search.ideas_per_epoch=4"]


@dataclass
class Assassin:
    """Kills a head while a model thinks about the first question of each kind that it asked."""

    head: Callable[[], int]
    met: set[str] = field(default_factory=set)

    def __call__(self, asked: Asked, reply: Reply) -> Reply:
        is_revision = "That did not work" in said_to(asked)
        kind = "ideas" if is_ideation(asked) else "revision" if is_revision else "diff"
        if kind not in self.met:
            self.met.add(kind)
            os.kill(self.head(), signal.SIGKILL)
        return numbered(asked, reply)


def head_of(campaign: Shaken) -> int:
    """Return the process that holds a campaign."""
    (lease,) = (campaign.folder / "lease").glob("0*.json")
    return int(lease.read_text().partition('"pid": ')[2].partition(",")[0])


@pytest.mark.timeout(300)
def test_killed_wherever_it_touches_disk_or_network_it_loses_pays_and_runs_nothing_twice(
    tmp_path: Path,
):
    training = WatchedTraining(tmp_path / "trainings")
    settings = [*toy.make_campaign_env(tmp_path), *HERE, *ASKING, training.override("sleep 0.1")]
    settings += ["llm=openai", "llm.ideator.model=local-model", "llm.implementer.model=local-model"]
    assassin = Assassin(lambda: head_of(shaken))
    with Loopback(ToyModel(assassin), key=None) as loopback:
        settings.append(f"llm.base_url={loopback.url}/v1")
        shaken = Shaken.of(tmp_path, "shaken", settings)
        with read_all_along(shaken.folder) as reader:
            points = shaken.die_at_every_point()

    assert len(points) >= 30
    assert any("a server" in point for point in points)
    assert any("write journal.jsonl" in point for point in points)
    assert assassin.met == {"ideas", "diff", "revision"}

    assert reader.complaints == []
    assert reader.times > len(points)
    assert_nothing_is_double(shaken.folder)
    tables = load(shaken.folder)
    assert len(tables.ideas) == 6
    assert {*tables.outcomes.idea_id} == {"baseline", *tables.ideas.id}
    assert (tables.outcomes.status == "scored").all()
    training.assert_each_ran_once(shaken.folder, {*tables.runs.id})
    shaken.assert_nothing_is_left_running()

    kept = kept_in(shaken.folder / "journal.jsonl")
    assert asked_again(loopback.asked, kept) == [], "asked again although its answer was on disk"
    lost = sum(len(numbers) - 1 for numbers in askings(loopback.asked))
    assert lost <= len(points) + len(assassin.met), "more than was under way was asked once more"


FORMS = {
    "evolution": ["search=evolution"],
    "on parents": ["search=tree", "search.base=parent", "search.breadth=1"],
    "with seeds": ["search.repeats=2", "search.baseline_seeds=2"],
    "steady state": ["search=steady_state"],
}
NONE_ALIKE = {"steady state"}
"""What it proposes depends on which of its runs end first."""


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_search_killed_at_every_point_ends_like_an_undisturbed_one(
    form: str, tmp_path: Path
):
    settings = [*toy.make_campaign_env(tmp_path), *HERE, *OFFLINE, *FORMS[form]]
    calm, shaken = (Shaken.of(tmp_path, name, settings) for name in ("calm", "shaken"))
    assert calm.run() == 0, calm.said
    with read_all_along(shaken.folder) as reader:
        points = shaken.die_at_every_point()
    assert calm.met() <= {*points}
    assert reader.complaints == []
    assert_nothing_is_double(shaken.folder)
    assert len(load(shaken.folder).ideas) == 8
    if form not in NONE_ALIKE:
        assert what_came_of_it(shaken.folder) == what_came_of_it(calm.folder)
    shaken.assert_nothing_is_left_running()
