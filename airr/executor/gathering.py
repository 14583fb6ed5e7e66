"""When codebases that are ready go out, and in what groups: soon where a node might idle. Pure.

Every submission costs the site an sbatch. While more tasks of ours wait in the queue than may start
before the next look at it, no node waits for us: what becomes ready meanwhile is gathered into one
array. Where runs share a task, one that is not full would hold a node for fewer than it has room
for: it waits a little for more of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

from airr.executor.openruns import Ready


def is_time_to_submit(
    *, queued: int, starting: int, coming: int, waited_seconds: float, patience_seconds: float
) -> bool:
    """Tell whether what is ready should be submitted now.

    `queued` tasks of ours wait in the queue already, of which `starting` may start before we look
    again; `coming` codebases are still being written; the oldest that is ready has waited for
    `waited_seconds`. The patience is bounded because a site may give a job its priority by how long
    it has been queued.
    """
    return queued <= starting or coming == 0 or waited_seconds >= patience_seconds


def starting_soon(*, running: int, run_seconds: float, tick_seconds: float) -> int:
    """Return how many nodes may fall free until what is decided at the next look has started.

    That takes a tick, and about another for the submission itself. Where runs take many ticks, as
    they mostly do, it is none.
    """
    return int(2 * running * tick_seconds / run_seconds)


def groups_to_submit(
    ready: Iterable[Ready], *, pack: int, most: int, is_due: Callable[[Ready], bool]
) -> list[Sequence[Ready]]:
    """Return what goes out as one batch each: one for each set of nodes to avoid, and each rung.

    Together they make at most `most` tasks of at most `pack` runs. A task that is not full goes
    only if one of the runs that could be in it `is_due`.
    """
    groups: list[Sequence[Ready]] = []
    in_order = sorted(ready, key=lambda one: (one.company, one.key.name))
    for _, alike in itertools.groupby(in_order, key=lambda one: one.company):
        group = list(alike)
        full = len(group) - len(group) % pack
        count = len(group) if any(map(is_due, group)) else full
        if taken := group[: min(count, most * pack)]:
            most -= math.ceil(len(taken) / pack)
            groups.append(taken)
    return groups


def tasks_of(ready: Sequence[Ready], pack: int) -> int:
    """Return how many tasks these runs make, full or not."""
    groups = groups_to_submit(ready, pack=pack, most=len(ready), is_due=lambda _: True)
    return sum(math.ceil(len(group) / pack) for group in groups)
