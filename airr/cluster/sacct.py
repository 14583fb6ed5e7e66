"""Asks sacct what became of tasks that squeue no longer knows, and reads its answer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from airr.cluster.slurm_states import Row

LOOKBACK = "now-30days"  # without a start, sacct knows only of today
NUMBER = r"\d{1,10}"
RANGE = rf"{NUMBER}(-{NUMBER}(:{NUMBER})?)?"
JOB_ID = re.compile(
    rf"(?P<job>{NUMBER})(_(?P<index>{NUMBER})|_\[(?P<ranges>{RANGE}(,{RANGE})*)(%{NUMBER})?\])?"
)
MOST_ROWS = 50_000
"""Tasks that are read of an answer: `7_[0-4294967294]` takes little room to write."""
ENVIRONMENT = {"SLURM_BITSTR_LEN": "0"}  # index lists in full, never cut off with "..."


def sacct_command(names: Iterable[str], user: int) -> tuple[str, ...]:
    """Return the query for all jobs of these names, one line each, without their steps."""
    return (
        *("sacct", "--noheader", "--parsable2", "--allocations", f"--user={user}"),
        *(f"--name={','.join(sorted(names))}", f"--starttime={LOOKBACK}"),
        "--format=JobID,State,NodeList,ExitCode,JobName",
    )


def parse_sacct(text: str) -> tuple[Row, ...]:
    """Return the rows of ended tasks.

    A task that accounting still takes for live, while the queue does not know it, is one whose
    end was never recorded: nothing is said of it.
    """
    lines = (line.split("|", 4) for line in text.splitlines())
    rows = (row for fields in lines if len(fields) == 5 for row in _rows(fields))
    return tuple(row for row in itertools.islice(rows, MOST_ROWS) if not row.is_live)


def _rows(fields: list[str]) -> Iterator[Row]:
    identity, state, node, exit_code, name = (field.strip() for field in fields)
    match = JOB_ID.fullmatch(identity)
    if not match or not state:
        return
    for index in _indices(match):
        yield Row(
            name=name,
            job_id=match["job"],
            index=index,
            word=state.split()[0],
            node="" if node == "None assigned" else node,
            reason=f"{state}, exit code {exit_code}",
        )


def _indices(match: re.Match[str]) -> Iterator[int | None]:
    """Yield the tasks of `7_3` or `7_[2-4,9%4]`; None for a job that is no array."""
    if not match["ranges"]:
        yield int(match["index"]) if match["index"] else None
        return
    for part in match["ranges"].split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        yield from range(int(first), int(last or first) + 1, max(1, int(step or 1)))
