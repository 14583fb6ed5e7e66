"""Two heads on one campaign: one of them runs it, whoever and wherever the other is."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import assert_nothing_is_double
from tests.faults.shaken import Shaken
from tests.faults.tripwire import Trap
from tests.faults.warm import Warm
from tests.slurm.daemons import wait_until

SETTINGS = ["llm=offline", "cluster=local", "cluster.sandbox=none"]
SIZE = ["search.epochs=1", "search.ideas_per_epoch=2"]
SLOW = ["env.train.argv=[/bin/sh,-c,'sleep 2; exec {python} train.py']"]
AT_ONCE = 4
ROUNDS = 3


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*toy.make_campaign_env(tmp_path_factory.mktemp("env")), *SETTINGS, *SIZE]


@pytest.mark.timeout(240)
def test_of_heads_started_at_the_same_moment_one_runs_the_campaign(
    settings: list[str], tmp_path: Path
):
    settings = [*settings, *SLOW, f"root={tmp_path / 'runs'}"]
    campaign = Shaken.of(tmp_path, "contested", settings)
    heads: list[Warm] = []
    ended = -1
    for round_ in range(ROUNDS):  # the later ones find the lease of a head that was killed
        heads[:] = [campaign.start_warm() for _ in range(AT_ONCE)]
        wait_until("all but one to be refused", lambda: living(heads) <= 1, seconds=60)
        refused = [one.poll() for one in heads if one.poll() is not None]
        assert refused == [2] * (AT_ONCE - 1), campaign.said[-3000:]
        (first,) = (one for one in heads if one.poll() is None)
        said = told_by(campaign)
        told = re.findall(r"is being run by process \d+ on this|took \S+ at this very moment", said)
        assert len(told) == (round_ + 1) * (AT_ONCE - 1)
        if round_ < ROUNDS - 1:
            time.sleep(1)
            first.kill()
        ended = first.wait(timeout=60)
    assert ended == 0, campaign.said[-3000:]
    assert_nothing_is_double(campaign.folder)
    assert len(load(campaign.folder).runs.id) == 3
    assert "Traceback" not in campaign.said


def living(heads: list[Warm]) -> int:
    return sum(one.poll() is None for one in heads)


def told_by(campaign: Shaken) -> str:
    return re.sub(r"\s+", " ", campaign.said)


@pytest.mark.timeout(120)
def test_a_head_on_another_host_is_refused_beside_a_living_one_and_after_a_dead_one(
    settings: list[str], tmp_path: Path
):
    campaign = Shaken.of(tmp_path, "far", [*settings, *SLOW, f"root={tmp_path / 'runs'}"])
    with campaign.start_warm() as here:
        wait_until("a batch", lambda: any(campaign.folder.glob("jobs/*/batch.json")), seconds=60)
        assert from_elsewhere(campaign) == 2
        assert here.poll() is None, "the first one is not disturbed"
        here.kill()
    assert from_elsewhere(campaign) == 2, "whether it is dead cannot be known from there, so soon"
    said = told_by(campaign)
    assert (
        len(re.findall(r"is being run by process \d+ on [\w.-]+, last seen \d+ s ago", said)) == 2
    )
    assert campaign.run() == 0, "here it can be known"
    assert_nothing_is_double(campaign.folder)


def from_elsewhere(campaign: Shaken) -> int:
    with campaign.command.start("tests.faults.elsewhere", "airr.evolve") as head:
        return head.wait(timeout=60)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("moment", ["cluster.local._run: open jobs", "ledger._commit: open ledger"])
def test_ctrl_c_while_a_second_head_is_refused_leaves_nothing_running(
    settings: list[str], moment: str, tmp_path: Path
):
    """Also in the moment in which a worker is being started."""
    campaign = Shaken.of(tmp_path, "busy", [*settings, *SLOW, f"root={tmp_path / 'runs'}"])
    with campaign.start_warm(Trap("slow", moment)) as first:
        wait_until("the moment", campaign.struck, seconds=60)
        second = campaign.start_warm()
        first.send_signal(signal.SIGINT)
        assert first.wait(timeout=30) == 130
        assert second.wait(timeout=60) in {0, 2}
    campaign.assert_nothing_is_left_running()
