"""Campaigns whose jobs run until the test lets them go, and verbs as a person types them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import toy
from tests.campaigns import Command
from tests.slurm.cluster import VirtualCluster

HASTE = ["llm=offline", "cluster.tick_seconds=0.5", "cluster.lost_after_seconds=3"]
IDEAS = ["search.epochs=1", "search.ideas_per_epoch=6", "cluster.sandbox=none"]


def airr(
    verb: str, *arguments: str, cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run one verb as a person types it."""
    return subprocess.run(
        [sys.executable, "-m", f"airr.{verb}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, **environment, "COLUMNS": "120"},
        check=False,
    )


@dataclass(frozen=True)
class Held:
    """A campaign whose baseline is trained at once and whose ideas wait for `let_go`."""

    name: str
    place: Path
    command: Command

    @property
    def folder(self) -> Path:
        return self.place / "runs" / self.name

    def let_go(self) -> None:
        (self.place / f"{self.name}-go").touch()


def held_campaign(
    name: str, place: Path, *cluster_overrides: str, cluster: VirtualCluster | None
) -> Held:
    """Return a campaign on the cluster, or on this machine where there is none."""
    first, go = place / f"{name}-first", place / f"{name}-go"
    wait = f"mkdir {first} 2>/dev/null || until test -e {go}; do sleep 0.1; done"
    overrides = [
        *(IDEAS + HASTE + toy.make_campaign_env(place / f"{name}-env")),
        f"env.train.argv=[/bin/sh,-c,'{wait}; exec {{python}} train.py']",
        "env.budget_seconds=120",
        f"cluster={'slurm' if cluster else 'local'}",
        f"root={place / 'runs'}",
        f"campaign={name}",
        *cluster_overrides,
    ]
    environment = cluster.environment if cluster else {}
    return Held(name, place, Command(overrides, place / f"{name}.txt", environment))


def jobs_of(cluster: VirtualCluster, campaign: str, state: str) -> list[str]:
    """Return the tasks of a campaign's ideas in a state, as squeue lists them."""
    listed = cluster.run("squeue", "--noheader", "--array", f"--states={state}", "--format=%i %j")
    lines = (line.split() for line in listed.stdout.splitlines())
    return [task for task, job in lines if is_of_ideas(job, campaign)]


def is_of_ideas(job: str, campaign: str) -> bool:
    """Tell whether an array is one of a campaign's ideas: its first is the baseline's."""
    return job.startswith(f"airr-{campaign}-") and not job.endswith("-b0000")
