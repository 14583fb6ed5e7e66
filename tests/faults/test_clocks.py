"""The wall clock is set by hours while a campaign runs: nothing waits for it, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import WatchedTraining, assert_nothing_is_double, what_came_of_it
from tests.faults.clocks import Clock
from tests.faults.shaken import Shaken
from tests.slurm.daemons import wait_until

SETTINGS = ["llm=offline", "cluster=local", "cluster.sandbox=none"]
SIZE = ["search.epochs=2", "search.ideas_per_epoch=4"]
# what waits by a clock: codebases for company, and a job that is gone for its result
PATIENT = ["cluster.gather_seconds=2", "cluster.lost_after_seconds=2"]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("hours", [-3.0, 3.0], ids=["backwards", "forwards"])
def test_a_clock_that_is_set_while_a_campaign_runs_changes_nothing(hours: float, tmp_path: Path):
    clock, training = Clock(tmp_path / "clock"), WatchedTraining(tmp_path / "trainings")
    clock.set(0)
    settings = [*toy.make_campaign_env(tmp_path), *SETTINGS, *SIZE, *PATIENT, training.override()]
    calm = Shaken.of(tmp_path, "calm", settings)
    shaken = Shaken.of(tmp_path, "shaken", settings, environment=clock.environment)
    assert calm.run() == 0, calm.said
    with shaken.start() as head:
        wait_until("a training", lambda: any(training.folder.glob("airr-shaken-*")), seconds=60)
        clock.set(hours)
        assert head.wait(timeout=100) == 0, shaken.said[-3000:]
    assert what_came_of_it(shaken.folder) == what_came_of_it(calm.folder)
    assert_nothing_is_double(shaken.folder)
    runs = load(shaken.folder).runs
    assert (runs.state == "completed").all()
    assert (abs(runs.submitted_at.max() - runs.submitted_at.min()).total_seconds()) > 3000
    training.assert_each_ran_once(shaken.folder, {*runs.id})
    assert "Traceback" not in shaken.said
