"""The legs of a head that hands over from job to job, and when to stop: a guard against loops.

    <root>/.heads/<job name>.json    the legs of the present chain, oldest first

A leg is over when its job is, however it ended. Pure but for `read_legs` and `write_legs`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from airr.foreign import list_in, record_of
from airr.workspace import Workspace, write_atomically

SHORT_SECONDS = 600.0
MOST_FRUITLESS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One job's part. `progress` is what the campaigns' files looked like at its start.

    Times are unix seconds; a leg whose process was killed never said when it ended.
    """

    job_id: str
    started_at: float
    progress: str
    ended_at: float | None = None


def goes_in_circles(past: Sequence[Leg], now: Leg) -> bool:
    """Tell whether the last legs before `now` were all short and came to nothing."""
    legs = [*past, now]
    pairs = list(itertools.pairwise(legs))[-MOST_FRUITLESS:]
    return len(pairs) == MOST_FRUITLESS and all(_is_fruitless(leg, after) for leg, after in pairs)


def _is_fruitless(leg: Leg, after: Leg) -> bool:
    ended_at = after.started_at if leg.ended_at is None else leg.ended_at
    return leg.progress == after.progress and ended_at - leg.started_at < SHORT_SECONDS


def progress_of(campaigns: Sequence[Workspace]) -> str:
    """Return a text that changes whenever a campaign pays for an answer or enters a row."""
    files = [path for one in campaigns for path in (one.journal, one.ledger / "manifest.json")]
    return " ".join(_stamp(path) for path in files)


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return "-"
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def read_legs(path: Path) -> tuple[Leg, ...]:
    """Return the legs on record; a record that is missing or damaged is none."""
    try:
        return tuple(record_of(Leg, raw) for raw in list_in(path.read_bytes()))
    except (FileNotFoundError, ValueError):
        return ()


def write_legs(path: Path, legs: Sequence[Leg]) -> None:
    """Keep the last legs, as many as the guard looks at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [asdict(leg) for leg in legs[-MOST_FRUITLESS:]]
    write_atomically(path, json.dumps(kept, indent=1).encode())


def end_leg(path: Path, at: float) -> None:
    """Record when the present leg ended."""
    *past, last = read_legs(path)
    write_legs(path, [*past, replace(last, ended_at=at)])
