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

    @property
    def places(self) -> list[tuple[int, int]]:
        """Return the places of its ideas, see `Idea.place`."""
        return [(self.epoch, number) for number in range(self.first, self.first + self.size)]


def cohorts_of(search: Search) -> Iterator[Cohort]:
    """Yield every cohort of a campaign, in order."""
    refill = search.own.refill if isinstance(search.own, SteadySettings) else None
    return cohorts(search.epochs, search.ideas_per_epoch, refill)


def cohorts(epochs: int, ideas: int, refill: int | None) -> Iterator[Cohort]:
    """Yield so many epochs of so many ideas, each at once or by `refill` ideas.

    The first epoch comes at once in any case, for it has nothing to learn from.
    """
    for epoch in range(epochs):
        step = refill if refill and epoch else ideas
        for first in range(0, ideas, step):
            yield Cohort(epoch=epoch, first=first, size=min(step, ideas - first))


def open_at_most(search: Search) -> int:
    """Return how many ideas may still be without an outcome when the next cohort is proposed."""
    if isinstance(search.own, SteadySettings):
        return max(0, search.ideas_per_epoch - search.own.refill)
    return int(search.overlap * search.ideas_per_epoch)
