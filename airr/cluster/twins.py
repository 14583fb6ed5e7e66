"""Rows of one array name -> the job that counts, and the duplicates that do not.

A lost answer may lead to a second submission of the same name. `singleton` holds the second
back while the first lives; here it is told which is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airr.cluster.slurm_states import Row


def split_twins(rows: Iterable[Row]) -> tuple[Sequence[Row], Sequence[str]]:
    """Return the rows of the job that counts, and the ids of the live jobs beside it.

    What has been on a node counts before what waits, and that before what never came to be (a
    refused submission leaves a record); of several, the oldest.
    """
    jobs: dict[str, list[Row]] = {}
    for row in rows:
        jobs.setdefault(row.job_id, []).append(row)
    ranked = sorted(jobs.items(), key=lambda job: (_rank(job[1]), int(job[0])))
    kept = ranked[0][1] if ranked else []
    return kept, [job_id for job_id, tasks in ranked[1:] if any(row.is_live for row in tasks)]


def _rank(tasks: Iterable[Row]) -> int:
    if any(row.node for row in tasks):
        return 0
    return 1 if any(row.is_live for row in tasks) else 2
