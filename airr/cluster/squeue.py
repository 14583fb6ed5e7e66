"""Asks squeue for every task of many arrays at once, and reads its answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from airr.cluster.printed import number_in
from airr.cluster.slurm_states import Row

# %F array job id, %K index, %T state, %N nodes, %j name, %r reason: free text comes last.
# Understood by every Slurm since 14.11, unlike --json.
FORMAT = "%F|%K|%T|%N|%j|%r"


def squeue_command(names: Iterable[str], user: int) -> tuple[str, ...]:
    """Return the query for all arrays of these names: live, and ended within MinJobAge."""
    return (
        *("squeue", "--noheader", "--array", "--states=all"),
        *(f"--user={user}", f"--name={','.join(sorted(names))}", f"--format={FORMAT}"),
    )


def live_command(names: Iterable[str], user: int) -> tuple[str, ...]:
    """Return the query for what still waits or runs under these names."""
    return (
        *("squeue", "--noheader", "--array", "--states=PENDING,RUNNING,SUSPENDED,CONFIGURING"),
        *(f"--user={user}", f"--name={','.join(sorted(names))}", f"--format={FORMAT}"),
    )


def ids_of(rows: Iterable[Row], wanted: Mapping[str, Collection[int]]) -> list[str]:
    """Return by which ids the tasks of `wanted` are cancelled, and no others of the same jobs.

    A job goes by its own id where nothing else of it is among the rows: an array may have a
    thousand tasks.
    """
    jobs: dict[str, list[Row]] = {}
    for row in rows:
        jobs.setdefault(row.job_id, []).append(row)
    ids: list[str] = []
    for job_id, tasks in sorted(jobs.items()):
        chosen = [row for row in tasks if row.index is None or row.index in wanted[row.name]]
        whole = len(chosen) == len(tasks)
        ids += [job_id] if whole else [f"{job_id}_{row.index}" for row in chosen]
    return ids


def parse_squeue(text: str) -> tuple[Row, ...]:
    """Return the rows of an answer; a line of another shape is none of ours and is left out."""
    lines = (line.split("|", 5) for line in text.splitlines())
    return tuple(
        _row(fields)
        for fields in lines
        if len(fields) == 6 and number_in(fields[0].strip()) is not None
    )


def _row(fields: list[str]) -> Row:
    job_id, index, word, node, name, reason = (field.strip() for field in fields)
    return Row(
        name=name,
        job_id=job_id,
        # tasks that were cancelled before they started share one line, without an index
        index=number_in(index),
        word=word,
        node=node,
        reason="" if reason == "None" else reason,
    )
