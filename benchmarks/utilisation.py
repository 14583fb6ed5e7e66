"""How busy four nodes are kept: airr beside the release's schedule and one sbatch per idea.

    python benchmarks/utilisation.py [--ideas 200] [--epochs 5] [--seconds 2] [--quick]

Boots the real Slurm of tests/slurm (as root: 4 nodes of 8 pretended GPUs) and runs on it

- `airr`: a campaign whose trainings last `--seconds`, preflights, patches and scoring included;
- `release`: the schedule of the paper's release (generate everything, submit, sleep 90 minutes,
  poll every 20, go on at 30 % of the logs), its times scaled as 33 minutes to one task;
- `sbatch each`: an sbatch for each idea, and a squeue for each job every two seconds;
- `limit`: one array of all tasks, which is what this scheduler on this machine can start at all.

The last three run shell tasks that hold a node as long as an airr task did on average, measured in
the same run: from the first line of the batch script until the result stands. A node-second is
useful if the search reads the result of its task; utilisation is useful node-seconds over those
available from the first start to the last end. `calls` counts the Slurm commands of the head,
through wrappers on its PATH. The nodes share the cores of one machine with each other and with the
head, which a cluster's do not: an airr task is longer here than it would be alone, and so are the
tasks that it is compared to.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import yaml
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.ledger import load
from tests import toy
from tests.slurm.cluster import VirtualCluster
from tests.slurm.commands import Commands
from tests.slurm.configuration import Shape

NODES = 4
RUN_MINUTES, SLEEP_MINUTES, POLL_MINUTES, SHARE_READ = 33, 90, 20, 0.3
EACH_POLL_SECONDS = 2.0
TICK_SECONDS = 1.0
TASK = "date +%s.%N >> {log}.start; sleep {seconds:.3f}; date +%s.%N >> {log}.end"


@dataclass(frozen=True)
class Workload:
    """So many ideas in so many epochs, each training for so many seconds."""

    ideas: int
    epochs: int
    seconds: float

    @property
    def per_epoch(self) -> int:
        """Return the ideas of one epoch."""
        return self.ideas // self.epochs


@dataclass(frozen=True)
class Span:
    """When a task held its node, and whether anybody read what came of it. Unix seconds."""

    start: float
    end: float
    was_read: bool = True


@dataclass(frozen=True)
class Measured:
    """One schedule, as it went."""

    name: str
    spans: tuple[Span, ...]
    calls: Counter[str]

    @property
    def seconds(self) -> float:
        """Return the time from the first start to the last end."""
        return max(span.end for span in self.spans) - min(span.start for span in self.spans)

    @property
    def mean_task(self) -> float:
        """Return the mean seconds for which a task held its node."""
        return sum(span.end - span.start for span in self.spans) / len(self.spans)

    @property
    def read(self) -> int:
        """Return the number of results that were read."""
        return sum(span.was_read for span in self.spans)

    @property
    def utilisation(self) -> float:
        """Return useful node-seconds over available ones."""
        useful = sum(span.end - span.start for span in self.spans if span.was_read)
        return useful / (NODES * self.seconds)


class Bench:
    """A folder, a cluster, and Slurm commands that are counted."""

    def __init__(self, folder: Path, cluster: VirtualCluster) -> None:
        """Put the counting wrappers into the folder."""
        self.folder = folder
        self._commands = Commands.wrapped(folder / "wrappers")
        path = {"PATH": self._commands.path}
        self.environment: Mapping[str, str] = os.environ | cluster.environment | path

    def run(self, *command: str) -> str:
        """Run a command of the head and return what it printed."""
        return subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def calls(self) -> Counter[str]:
        """Return the number of each of Slurm's commands since the last time, and forget them."""
        counts = self._commands.counts()
        self._commands.forget()
        return counts

    def submit(self, seconds: float, logs: Path, indices: str = "0") -> str:
        """Submit shell tasks that hold a node for so long each; return the job's id."""
        task = TASK.format(log=logs / "$SLURM_ARRAY_TASK_ID", seconds=seconds)
        return self.run(
            "sbatch", "--parsable", f"--array={indices}", "--exclusive", "--gres=gpu:8",
            "--output=/dev/null", f"--wrap={task}",
        ).strip()  # fmt: skip

    def wait_for(self, logs: Path, count: int) -> None:
        """Wait until so many tasks have ended, without asking Slurm."""
        while len(list(logs.glob("*.end"))) < count:
            time.sleep(0.2)


def spans_in(logs: Path, was_read: frozenset[str] | None = None) -> tuple[Span, ...]:
    """Return the spans of shell tasks; `was_read` names those that count, or all do."""
    return tuple(
        Span(
            start=float(end.with_suffix(".start").read_text()),
            end=float(end.read_text()),
            was_read=was_read is None or end.stem in was_read,
        )
        for end in logs.glob("*.end")
    )


def measure_airr(bench: Bench, workload: Workload) -> Measured:
    """Run a whole campaign."""
    folder = bench.folder / "airr"
    overrides = toy.make_campaign_env(folder)
    widen_catalogue(folder / "env" / "catalogue", workload.ideas)
    starts, note_start = folder / "starts", folder / "note_start.sh"
    task = "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    note_start.write_text(f"echo {task} $(date +%s.%N) >> {starts}\n")
    bench.run(
        sys.executable, "-m", "airr.evolve", *overrides, "campaign=bench", "search=best_of_n",
        "llm=offline", "cluster=slurm", f"search.epochs={workload.epochs}", "env.gpus=8",
        f"search.ideas_per_epoch={workload.per_epoch}", f"cluster.tick_seconds={TICK_SECONDS}",
        "cluster.preflights=2", "implement.concurrent_ideas=16",
        f"env.budget_seconds={30 + workload.seconds}",
        f"env.train.argv=[/bin/sh,-c,'sleep {workload.seconds} && exec {{python}} train.py']",
        f"cluster.setup=['. {note_start}']",
    )  # fmt: skip
    started = dict(line.split() for line in starts.read_text().splitlines())
    runs = load(folder / "runs" / "bench").runs
    ideas = runs[runs.idea_id != "baseline"]
    spans = tuple(
        Span(start=float(started[run.job_id]), end=run.ended_at.timestamp())
        for run in ideas.itertuples()
    )
    return Measured("airr", spans, bench.calls())


def widen_catalogue(catalogue: Path, ideas: int) -> None:
    """Leave one idea in the catalogue, in so many variants."""
    entry = yaml.safe_load((catalogue / "better.yaml").read_text())
    entry["numbers"] = {"value": [f"{1 + n / 1000:.3f}" for n in range(2 * ideas)]}
    for path in catalogue.iterdir():
        path.unlink()
    (catalogue / "better.yaml").write_text(yaml.safe_dump(entry))


def measure_release(bench: Bench, workload: Workload, task_seconds: float) -> Measured:
    """Run the schedule of the paper's release."""
    minute = task_seconds / RUN_MINUTES
    logs = bench.folder / "release"
    logs.mkdir()
    read: set[str] = set()
    for epoch in range(workload.epochs):
        first = epoch * workload.per_epoch
        mine = {str(index) for index in range(first, first + workload.per_epoch)}
        bench.submit(task_seconds, logs, f"{first}-{first + workload.per_epoch - 1}")
        time.sleep(SLEEP_MINUTES * minute)
        while len(done := mine & {path.stem for path in logs.glob("*.end")}) < (
            SHARE_READ * workload.per_epoch
        ):
            time.sleep(POLL_MINUTES * minute)
        read |= done
    bench.wait_for(logs, workload.ideas)
    return Measured("release", spans_in(logs, frozenset(read)), bench.calls())


def measure_each(bench: Bench, workload: Workload, task_seconds: float) -> Measured:
    """Submit every idea on its own, and ask for each job on its own."""
    logs = bench.folder / "each"
    logs.mkdir()
    for epoch in range(workload.epochs):
        first = epoch * workload.per_epoch
        jobs = {
            str(index): bench.submit(task_seconds, logs, str(index))
            for index in range(first, first + workload.per_epoch)
        }
        while jobs:
            time.sleep(EACH_POLL_SECONDS)
            jobs = {
                index: job
                for index, job in jobs.items()
                if bench.run("squeue", "--noheader", f"--jobs={job}", "--states=PD,R,CG").strip()
            }
    return Measured("sbatch each", spans_in(logs), bench.calls())


def measure_limit(bench: Bench, workload: Workload, task_seconds: float) -> Measured:
    """Submit everything as one array, and wait."""
    logs = bench.folder / "limit"
    logs.mkdir()
    bench.submit(task_seconds, logs, f"0-{workload.ideas - 1}")
    bench.wait_for(logs, workload.ideas)
    return Measured("limit", spans_in(logs), bench.calls())


def main() -> None:
    """Measure all schedules in one run and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ideas", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--quick", action="store_true", help="40 ideas in 2 epochs")
    asked = parser.parse_args()
    size = (40, 2) if asked.quick else (asked.ideas, asked.epochs)
    workload = Workload(*size, asked.seconds)
    folder = Path(mkdtemp(prefix="airr-utilisation-"))
    cluster = VirtualCluster(Path(f"/tmp/airr-bench-{os.getpid()}"))
    try:
        cluster.up(Shape(nodes=NODES, min_job_age=300))
        bench = Bench(folder, cluster)
        airr = measure_airr(bench, workload)
        others = [
            measure(bench, workload, airr.mean_task)
            for measure in (measure_limit, measure_each, measure_release)
        ]
    finally:
        cluster.down()
    shutil.rmtree(folder)
    report(workload, airr, others)


def report(workload: Workload, airr: Measured, others: list[Measured]) -> None:
    """Print the table."""
    limit = others[0].utilisation
    table = Table(
        title=f"{workload.ideas} ideas in {workload.epochs} epochs, trainings of "
        f"{workload.seconds:g} s, {NODES} nodes, {os.cpu_count()} CPU cores"
    )
    for column in ("schedule", "s in all", "s a task", "read", "utilisation", "of limit"):
        table.add_column(column, justify="left" if column == "schedule" else "right")
    for column in ("sbatch", "squeue", "all calls", "calls / 1,000 ideas"):
        table.add_column(column, justify="right")
    for one in (airr, *others):
        table.add_row(
            one.name,
            f"{one.seconds:.0f}",
            f"{one.mean_task:.2f}",
            f"{one.read}/{len(one.spans)}",
            f"{one.utilisation:.3f}",
            f"{one.utilisation / limit:.3f}",
            str(one.calls["sbatch"]),
            str(one.calls["squeue"]),
            str(one.calls.total()),
            f"{1000 * one.calls.total() / workload.ideas:.0f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
