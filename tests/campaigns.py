"""Campaigns as real processes: started, killed with SIGKILL, finished, compared."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from airr.ledger import load


@dataclass(frozen=True)
class Command:
    """One `python -m airr.evolve`, to be started again and again."""

    overrides: Sequence[str]
    log: Path
    environment: Mapping[str, str]

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "airr.evolve", *self.overrides],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, "COLUMNS": "120"},
            )

    def finish(self, seconds: float = 240) -> None:
        with self.start() as process:
            assert process.wait(timeout=seconds) == 0, self.log.read_text()[-4000:]


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
    ideas = tables.ideas[["id", "text", "origin", "model"]].sort_values("id")
    outcomes = tables.outcomes.set_index(["idea_id", "repeat"])
    fates = outcomes[["status", "stage", "reason", "metric"]].sort_index().astype(str)
    return ideas.to_dict("records"), fates.to_dict()


def assert_nothing_is_double(folder: Path) -> None:
    tables = load(folder)
    assert not tables.ideas.duplicated(["id"]).any()
    assert not tables.calls.duplicated(["id", "prompt_hash"]).any()
    assert not tables.runs.duplicated(["id"]).any()
    assert not tables.outcomes.duplicated(["idea_id", "repeat"]).any()
