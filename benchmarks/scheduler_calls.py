"""How often a campaign calls Slurm: for 1,000 ideas, and in its busiest minute.

    python benchmarks/scheduler_calls.py [--ideas 1000] [--haste 60] [--quick]

As root. A campaign of airr runs on the real Slurm of tests/slurm (64 tasks side by side), whose
commands are counted by wrappers on the head's PATH. All times are those of a campaign of
env=nanogpt divided by `--haste`, and told multiplied by it again: a tick of 30 s, codebases
gathered for 300 s, trainings of 25 minutes, 60 s for an answer of the model and 30 s for a
preflight. The head is the real one; model and preflights take their time and nothing else, and a
task is a script that waits and leaves a result.

`beyond the ticks` are the calls that are no squeue of a tick.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from airr.head import take_the_head
from benchmarks.instant import Cost, started
from benchmarks.measured import machine
from benchmarks.simulation import Pace, SlowModel, SlowPreflight
from tests.slurm.cluster import VirtualCluster
from tests.slurm.commands import Commands
from tests.slurm.configuration import Shape

TICK, GATHER, TRAINING, ANSWER, PREFLIGHT = 30.0, 300.0, 1500.0, 60.0, 30.0
PER_EPOCH = 200
ONE = "--one"
"""What makes this script run the head: its `Load` as JSON follows."""
ARMS = {
    "best_of_n": ("search=best_of_n",),
    "evolution": ("search=evolution",),
    "steady_state": ("search=steady_state", "search.refill=16"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A campaign of so many ideas, so many times as fast as a real one."""

    folder: str
    ideas: int
    haste: float
    settings: tuple[str, ...]

    @property
    def epochs(self) -> int:
        """Return the number of epochs."""
        return max(2, self.ideas // PER_EPOCH)


@dataclass(frozen=True, slots=True)
class Counted:
    """The calls of one campaign."""

    name: str
    ideas: int
    minutes: float
    ticks: float
    calls: Counter[str]
    peak: int


def run_head(load: Load) -> None:
    """Run a campaign on the Slurm of this environment."""
    place, haste = Path(load.folder), load.haste
    pace = Pace(
        ideate=ANSWER / haste, diff=ANSWER / haste, preflight=PREFLIGHT / haste,
        tasks=(TRAINING / haste,), gap=0.0, tick=TICK / haste, gather=GATHER / haste,
    )  # fmt: skip
    worker = (sys.executable, "-S", str(Path(__file__).with_name("light_worker.py")))
    settings = [
        f"search.epochs={load.epochs}", f"search.ideas_per_epoch={load.ideas // load.epochs}",
        f"cluster.tick_seconds={pace.tick}", f"cluster.gather_seconds={pace.gather}",
        f"env.budget_seconds={TRAINING / haste}", "env.gpus=0", "env.cpus=1", "env.memory_gb=0.1",
        "implement.samples=1", "implement.concurrent_ideas=64", "cluster.preflights=32",
        "cluster.gpu_directive=none", "campaign=calls", *load.settings,
    ]  # fmt: skip

    async def evolve() -> None:
        with (
            started(place, Cost(), *settings, provider=SlowModel(place, pace)) as start,
            patch(
                "airr.head.Preflight", lambda *_, room, **__: SlowPreflight(pace.preflight, room)
            ),
            patch(
                "airr.executor.arrays.worker_command",
                lambda record: (*worker, str(TRAINING / haste), str(record)),
            ),
        ):
            async with take_the_head(start) as head:
                await head.campaign.run()
                assert len(head.book.outcomes) == load.ideas + 1

    asyncio.run(evolve())


def measure(name: str, load: Load, cluster: VirtualCluster, commands: Commands) -> Counted:
    """Run a campaign in a process of its own, and count what it calls."""
    commands.forget()
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, __file__, ONE, json.dumps(asdict(load))],
        env=os.environ | cluster.environment | {"PATH": commands.path},
        check=True,
    )
    seconds = load.haste * (time.monotonic() - begun)
    counts = commands.counts()
    return Counted(
        name=name,
        ideas=load.ideas,
        minutes=seconds / 60,
        ticks=seconds / TICK,
        calls=counts,
        peak=busiest([at for one in counts for at in commands.times(one)], 60 / load.haste),
    )


def busiest(times: list[float], seconds: float) -> int:
    """Return how many of these moments lie within the busiest so many seconds."""
    times = sorted(times)
    first = most = 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    """Count for every arm and print the table."""
    if sys.argv[1:2] == [ONE]:
        run_head(Load(**json.loads(sys.argv[2])))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ideas", type=int, default=1000)
    parser.add_argument("--haste", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="best_of_n, 64 ideas, haste 300")
    asked = parser.parse_args()
    ideas, haste = (64, 300.0) if asked.quick else (asked.ideas, asked.haste)
    names = ["best_of_n"] if asked.quick else [*ARMS]
    cluster = VirtualCluster(Path(f"/tmp/airr-calls-{os.getpid()}"))
    found: list[Counted] = []
    try:
        cluster.up(Shape(min_job_age=300))
        for name in names:
            with TemporaryDirectory(prefix="airr-calls-") as folder:
                commands = Commands.wrapped(Path(folder) / "wrappers")
                load = Load(folder=folder, ideas=ideas, haste=haste, settings=ARMS[name])
                found.append(measure(name, load, cluster, commands))
    finally:
        cluster.down()
    report(found, haste)


def report(found: list[Counted], haste: float) -> None:
    """Print the table."""
    table = Table(title=f"{machine()}; {haste:g} times as fast as told")
    table.add_column("search")
    columns = ("ideas", "minutes", "sbatch", "squeue", "others", "calls / 1,000 ideas")
    for column in (*columns, "beyond the ticks / 1,000", "peak / minute"):
        table.add_column(column, justify="right")
    for one in found:
        others = one.calls.total() - one.calls["sbatch"] - one.calls["squeue"]
        beyond = one.calls.total() - one.calls["squeue"]
        table.add_row(
            one.name,
            f"{one.ideas:,}",
            f"{one.minutes:.0f}",
            str(one.calls["sbatch"]),
            str(one.calls["squeue"]),
            str(others),
            f"{1000 * one.calls.total() / one.ideas:.0f}",
            f"{1000 * beyond / one.ideas:.0f}",
            str(one.peak),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
