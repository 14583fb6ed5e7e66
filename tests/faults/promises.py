"""What airr promises, looked for in a campaign after its storm: what is broken is named."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airr.batch import Batch
from airr.ledger import load
from tests.campaigns import assert_nothing_is_double, what_came_of_it
from tests.faults.shaken import processes_of
from tests.faults.storm import Storm
from tests.llm.kept import asked_again, kept_in
from tests.llm.loopback import Loopback
from tests.slurm.cluster import VirtualCluster

LET_GO_SECONDS = 20.0
"""In which the last jobs of a campaign leave the queue, and their processes end."""


def broken_promises(storm: Storm, trainings: Path, loopback: Loopback | None) -> Iterator[str]:
    """Yield what was broken, except for what only an undisturbed campaign tells."""
    folder, said = storm.campaign.folder, storm.campaign.said
    tables = load(folder)
    try:
        assert_nothing_is_double(folder)
    except AssertionError as error:
        yield f"something is double: {error}"
    if "Traceback" in said:
        yield "a traceback was shown"
    if silent := [part for part in storm.torn if part not in re.sub(r"\s+", "", said)]:
        yield f"nobody was told that these are damaged: {silent}"
    if {*tables.outcomes.idea_id} != {"baseline", *tables.ideas.id}:
        yield "not every idea has an outcome"
    yield from run_twice(folder, trainings)
    again = loopback and asked_again(loopback.asked, kept_in(folder / "journal.jsonl"))
    if again:
        yield f"calls were paid for again: {again}"
    yield from left_behind(storm, storm.cluster)


def differences(storm: Storm, calm: Any) -> Iterator[str]:
    """Yield what came out otherwise than in an undisturbed campaign."""
    ideas, fates = what_came_of_it(storm.campaign.folder)
    calm_ideas, calm_fates = calm
    if ideas != calm_ideas:
        yield "the ideas are not those of an undisturbed campaign"
    if fates != calm_fates:
        changed = {
            key
            for column in fates
            for key in fates[column].keys() | calm_fates[column].keys()
            if fates[column].get(key) != calm_fates[column].get(key)
        }
        yield f"outcomes are not those of an undisturbed campaign: {sorted(changed)}"


def run_twice(folder: Path, trainings: Path) -> Iterator[str]:
    """Yield the runs that were trained twice; one that was cut short has begun, not ended."""
    ended: Counter[str] = Counter()
    for record in folder.glob("jobs/*/batch.json"):
        batch = Batch.from_json(record.read_bytes())
        for index, run in enumerate(batch.runs):
            log = trainings / f"{batch.name}-{index}"
            lines = log.read_text().split() if log.exists() else []
            if lines not in ([], ["begun"], ["begun", "ended"]):
                yield f"{run.key.name} of {batch.name} was run like this: {lines}"
            ended[run.key.name] += lines.count("ended")
    for run in load(folder).runs.itertuples():
        if run.state == "completed" and ended[str(run.id)] > 1:
            yield f"{run.id} was trained {ended[str(run.id)]} times"


def left_behind(storm: Storm, cluster: VirtualCluster) -> Iterator[str]:
    """Yield what is left in the queue, and what still runs."""
    # a job that Slurm is clearing away after its node was lost is none of airr's any more
    live = "--states=PENDING,RUNNING,SUSPENDED"
    asked = ("squeue", "--noheader", live, f"--name={storm.jobs}", "--format=%i %T")
    deadline = time.monotonic() + LET_GO_SECONDS
    while (queue := cluster.run(*asked).stdout.splitlines()) and time.monotonic() < deadline:
        time.sleep(0.2)
    if waiting := [task for task in queue if not task.endswith("RUNNING")]:
        yield f"left in the queue: {waiting}"
    while (left := processes_of(storm.campaign.folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        yield f"left running: {left}"
    # what ended while slurmctld was down may count as running for minutes, with no process left
    if queue:
        cluster.run("scancel", *(task.split()[0] for task in queue))
