"""Schedules on the real Slurm of tests/slurm: airr, the paper's release, one sbatch per idea."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml

from airr.ledger import load
from benchmarks.measured import timed
from benchmarks.spans import (
    POLL_MINUTES,
    RUN_MINUTES,
    SHARE_READ,
    SLEEP_MINUTES,
    Measured,
    Span,
    Workload,
)
from tests import toy
from tests.slurm.cluster import VirtualCluster
from tests.slurm.commands import Commands

EACH_POLL_SECONDS = 2.0
TICK_SECONDS = 1.0
TASK = "date +%s.%N >> {log}.start; sleep {seconds:.3f}; date +%s.%N >> {log}.end"


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


def measure_airr(
    bench: Bench, workload: Workload, name: str, *settings: str
) -> tuple[Measured, float]:
    """Run a whole campaign; return it, and how many seconds a preflight took on average."""
    folder = bench.folder / name.replace(" ", "-")
    overrides = toy.make_campaign_env(folder)
    widen_catalogue(folder / "env" / "catalogue", workload.ideas)
    starts, note_start = folder / "starts", folder / "note_start.sh"
    task = "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    note_start.write_text(f"echo {task} $(date +%s.%N) >> {starts}\n")
    bench.run(
        sys.executable, "-m", "airr.evolve", *overrides, "campaign=bench",
        "llm=offline", "cluster=slurm", f"search.epochs={workload.epochs}", "env.gpus=8",
        f"search.ideas_per_epoch={workload.per_epoch}", f"cluster.tick_seconds={TICK_SECONDS}",
        "cluster.preflights=2", "implement.concurrent_ideas=16",
        f"env.budget_seconds={30 + workload.seconds}",
        f"env.train.argv=[/bin/sh,-c,'sleep {workload.seconds} && exec {{python}} train.py']",
        f"cluster.setup=['. {note_start}']", *settings,
    )  # fmt: skip
    started = dict(line.split() for line in starts.read_text().splitlines())
    tables = load(folder / "runs" / "bench")
    ideas = tables.runs[tables.runs.idea_id != "baseline"]
    ends = ideas.ended_at.map(pd.Timestamp.timestamp)
    spans = tuple(
        Span(start=float(started[job]), end=float(end))
        for job, end in zip(ideas.job_id, ends, strict=True)
    )
    launch = timed(lambda: bench.run(sys.executable, "-c", "import airr.worker.task"), 3).clock
    preflight = launch + float(tables.patches.preflight_seconds.mean())
    return Measured(name, workload.nodes, spans, bench.calls()), preflight


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
    return Measured("release", workload.nodes, spans_in(logs, frozenset(read)), bench.calls())


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
    return Measured("sbatch each", workload.nodes, spans_in(logs), bench.calls())


def measure_limit(bench: Bench, workload: Workload, task_seconds: float) -> Measured:
    """Submit everything as one array, and wait."""
    logs = bench.folder / "limit"
    logs.mkdir()
    bench.submit(task_seconds, logs, f"0-{workload.ideas - 1}")
    bench.wait_for(logs, workload.ideas)
    return Measured("limit", workload.nodes, spans_in(logs), bench.calls())
