"""A plan -> what the cluster is told of its runs, by what name. Pure."""

from __future__ import annotations

from pathlib import Path

from airr.batch import Plan
from airr.cluster.protocol import JobArray
from airr.executor.preflight import worker_command
from airr.workspace import Workspace, names_in

MARGIN_SECONDS = 120.0
"""What a job may take beyond training and scoring: start, unpacking, recording."""

MOST_AT_ONCE = 1000
"""Tasks in one submission; fewer while the site's limit on queued tasks is reached."""


def next_batch_name(workspace: Workspace, uid: str) -> str:
    """Return the name of the campaign's next array; `uid` makes it unique for ever."""
    return f"airr-{workspace.name}-{uid}-b{len(names_in(workspace.jobs)):04d}"


def array_of(
    plan: Plan,
    *,
    name: str,
    folder: Path,
    indices: tuple[int, ...],
    exclude_nodes: tuple[str, ...] = (),
) -> JobArray:
    """Return the array that runs tasks `indices` of the batch whose record lies in `folder`."""
    return JobArray(
        name=name,
        folder=folder.absolute(),
        indices=indices,
        command=worker_command(folder.absolute() / "batch.json"),
        nodes=plan.nodes,
        gpus=plan.gpus,
        cpus=plan.cpus,
        memory_gb=plan.memory_gb,
        seconds=plan.budget_seconds + plan.score_seconds + MARGIN_SECONDS,
        exclude_nodes=exclude_nodes,
    )
