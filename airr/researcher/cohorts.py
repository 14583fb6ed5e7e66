"""A search's settings -> its cohorts: which ideas are proposed together, and when the next are due.

The paper's search proposes an epoch at once, when the last one has ended. With `search.overlap` the
next epoch is proposed while the stragglers of the last one still run; in steady state (the
asynchronous evolution of Real et al., arXiv 1703.01041) a few ideas at a time, whenever as many
have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airr.config import Search, SteadySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Ideas of one epoch that are proposed together: `size` of them, numbered from `first` on."""

    epoch: int
    first: int
    size: int


def cohorts_of(search: Search) -> Iterator[Cohort]:
    """Yield every cohort of a campaign, in order.

    In steady state the first epoch comes at once, for it has nothing to learn from.
    """
    size = search.ideas_per_epoch
    for epoch in range(search.epochs):
        own = search.own
        step = own.refill if isinstance(own, SteadySettings) and epoch else size
        for first in range(0, size, step):
            yield Cohort(epoch=epoch, first=first, size=min(step, size - first))


def open_at_most(search: Search) -> int:
    """Return how many ideas may still be without an outcome when the next cohort is proposed."""
    if isinstance(search.own, SteadySettings):
        return max(0, search.ideas_per_epoch - search.own.refill)
    return int(search.overlap * search.ideas_per_epoch)
