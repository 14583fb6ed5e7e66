"""Campaigns as real processes: started, killed with SIGKILL, finished, compared."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Container, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from airr.batch import Batch
from airr.ledger import load
from airr.records import INFRASTRUCTURE


@dataclass(frozen=True)
class Command:
    """One `python -m airr.evolve`, or another verb, to be started again and again."""

    overrides: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    verb: str = "evolve"

    def start(self, *module: str) -> subprocess.Popen[bytes]:
        """Start it; `module` names another one to run it in, with what that is to be told."""
        with self.log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", *(module or (f"airr.{self.verb}",)), *self.overrides],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, "COLUMNS": "120"},
            )

    @contextmanager
    def running(self, *module: str) -> Generator[subprocess.Popen[bytes]]:
        """Have it run beside the body, and no longer."""
        with self.start(*module) as process:
            try:
                yield process
            finally:
                process.kill()

    def finish(self, seconds: float = 240) -> None:
        with self.start() as process:
            assert process.wait(timeout=seconds) == 0, self.log.read_text()[-4000:]


@dataclass(frozen=True)
class WatchedTraining:
    """Trainings that note when they begin and end, each run of a batch in a file of its own.

    To be used without a sandbox, which would not let them.
    """

    folder: Path

    def override(self, before: str = "sleep 0.3") -> str:
        """Return the setting that has trainings watched, and run shell lines before they begin."""
        self.folder.mkdir(exist_ok=True)
        script = self.folder / "train.sh"
        script.write_text(
            f'log={self.folder}/$(basename "$(dirname "$AIRR_OUT")")\n'
            f'echo begun >> "$log"\n{before}\n"$1" train.py\nstatus=$?\n'
            'echo ended >> "$log"\nexit $status\n'
        )
        return f"env.train.argv=[/bin/sh,'{script}','{{python}}']"

    def assert_each_ran_once(self, campaign: Path, runs: Container[str]) -> None:
        """No run of these began twice, in whatever batch, or began before it had ended."""
        met: Counter[str] = Counter()
        for record in campaign.glob("jobs/*/batch.json"):
            batch = Batch.from_json(record.read_bytes())
            for index, run in enumerate(batch.runs):
                log = self.folder / f"{batch.name}-{index}"
                lines = log.read_text().split() if log.exists() else []
                assert lines in ([], ["begun", "ended"]), f"{run.key.name} of {batch.name}: {lines}"
                met[run.key.name] += len(lines) // 2
        assert set(met.values()) == {1}, met
        assert all(name in runs for name in met)


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a head and all its descendants at once, and see that nothing of them is left."""
    head = psutil.Process(process.pid)
    family = [head, *head.children(recursive=True)]
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, "something still runs"


def kill_at_random(
    command: Command, *, kills: int, longest: float, rng: random.Random, children: bool
) -> int:
    """Start a campaign and kill it, over and over; return how often the kill met a living head."""
    met = 0
    for _ in range(kills):
        process = command.start()
        time.sleep(rng.uniform(0.3, longest))
        if process.poll() is None:
            met += 1
            if children:
                kill_with_children(process)
            else:
                process.kill()
        process.wait()
    return met


def what_came_of_it(folder: Path) -> tuple[list[dict[Any, Any]], dict[Any, Any]]:
    """Return the ideas and the outcomes of a campaign, without times and places."""
    tables = load(folder)
    ideas = tables.ideas[["id", "text", "origin", "base", "model"]].sort_values("id")
    outcomes = tables.outcomes.set_index(["idea_id", "repeat"])
    fates = outcomes[["status", "stage", "reason", "metric"]].sort_index().astype(str)
    return ideas.to_dict("records"), fates.to_dict()


def assert_nothing_is_double(folder: Path) -> None:
    tables = load(folder)
    assert not tables.ideas.duplicated(["id"]).any()
    assert not tables.calls.duplicated(["id", "prompt_hash"]).any()
    assert not tables.runs.duplicated(["id"]).any()
    assert not tables.outcomes.duplicated(["idea_id", "repeat"]).any()


def assert_no_run_was_lost(folder: Path) -> None:
    """Every run ended by itself; one that crashed may have been mended and run again."""
    assert not set(load(folder).runs.reason) & INFRASTRUCTURE
