"""A plan -> what the cluster is told of its runs, by what name. Pure."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from airr.batch import Plan
from airr.cluster.protocol import JobArray
from airr.executor.openruns import OpenRun
from airr.executor.preflight import worker_command
from airr.packing import Packing
from airr.workspace import Workspace, names_in

MARGIN_SECONDS = 120.0
"""What a job may take beyond training and scoring: start, unpacking, recording."""

MOST_AT_ONCE = 1000
"""Runs in one submission; fewer while the site's limit on queued tasks is reached."""


def next_batch_name(workspace: Workspace, uid: str) -> str:
    """Return the name of the campaign's next array; `uid` makes it unique for ever."""
    return f"airr-{workspace.name}-{uid}-b{len(names_in(workspace.jobs)):04d}"


def array_of(
    plan: Plan,
    packing: Packing,
    *,
    name: str,
    folder: Path,
    tasks: Iterable[int],
    exclude_nodes: tuple[str, ...] = (),
) -> JobArray:
    """Return the array that runs `tasks` of the batch whose record lies in `folder`."""
    record = folder.absolute() / "batch.json"
    return JobArray(
        name=name,
        folder=record.parent,
        indices=tuple(sorted(tasks)),
        command=worker_command(record) if packing.most == 1 else pack_command(record),
        nodes=plan.nodes,
        gpus=plan.gpus * packing.places,
        cpus=plan.cpus * packing.places,
        memory_gb=plan.memory_gb * packing.places,
        seconds=plan.budget_seconds + plan.scorings * plan.score_seconds + MARGIN_SECONDS,
        exclude_nodes=exclude_nodes,
    )


def arrays_of(runs: Collection[OpenRun], workspace: Workspace) -> list[JobArray]:
    """Return the arrays that runs belong to; of each, the tasks with one of these runs."""
    batches = {run.batch.name: run.batch for run in runs}
    tasks: defaultdict[str, set[int]] = defaultdict(set)
    for run in runs:
        tasks[run.batch.name].add(run.task)
    return [
        array_of(
            batch.plan,
            batch.packing,
            name=name,
            folder=workspace.batch(name),
            tasks=tasks[name],
            exclude_nodes=batch.exclude_nodes,
        )
        for name, batch in batches.items()
    ]


def pack_command(batch_file: Path) -> tuple[str, ...]:
    """Return the command that runs a task of several runs, its index still to be appended."""
    return (sys.executable, "-m", "airr.worker.pack", str(batch_file))
