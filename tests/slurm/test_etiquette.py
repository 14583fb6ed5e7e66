"""What a campaign asks of Slurm: one squeue a tick, a handful of sbatch, whatever its size."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import Command
from tests.slurm.cluster import VirtualCluster
from tests.slurm.commands import Commands

pytestmark = pytest.mark.long

TICK = 2.0
IDEAS, EPOCHS = 24, 2


@pytest.mark.timeout(280)
def test_a_campaign_of_dozens_of_ideas_asks_slurm_by_the_clock_and_submits_in_company(
    cluster: VirtualCluster, tmp_path: Path
):
    commands = Commands.wrapped(tmp_path / "bin")
    numbers = {"value": [f"{1 + number / 1000:.3f}" for number in range(2 * IDEAS * EPOCHS)]}
    settings = [
        *toy.make_campaign_env(tmp_path, {"one": ("VALUE = 2.0", "VALUE = <<value>>", numbers)}),
        *("llm=offline", "cluster=slurm", f"cluster.tick_seconds={TICK}", "env.cpus=16"),
        *("search=best_of_n", f"search.epochs={EPOCHS}", f"search.ideas_per_epoch={IDEAS}"),
        *("campaign=polite", "implement.concurrent_ideas=8"),
    ]
    environment = {**cluster.environment, "PATH": commands.path}
    Command(settings, tmp_path / "log.txt", environment).finish(seconds=250)
    assert len(load(tmp_path / "runs" / "polite").outcomes) == IDEAS * EPOCHS + 1
    counts = commands.counts()
    looks = commands.times("squeue")
    print(f"{IDEAS * EPOCHS} ideas, {len(looks)} ticks of {TICK} s: {dict(counts)}")
    gaps = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert min(gaps) > 0.9 * TICK, "one look a tick, and none in between"
    for earlier, later in itertools.pairwise([0.0, *looks, float("inf")]):
        assert sum(earlier < time < later for time in commands.times("sacct")) <= 1
    assert counts["sbatch"] <= 1 + 8 * EPOCHS
    assert counts["scontrol"] == 1
    assert counts["scancel"] == 0
