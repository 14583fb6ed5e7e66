"""Steady state: a few ideas whenever as many have ended, with parents from all that is known.

The asynchronous form of the paper's evolution (arXiv 2601.14525, section 4), after Real et al.
(arXiv 1703.01041): no node waits for the slowest run of an epoch. An epoch is then a count of
ideas; each idea exploits with the share that evolution has in that epoch, or explores.
"""

from __future__ import annotations

import random

from airr.config import Search
from airr.researcher.evolution import divided, exploit_share
from airr.researcher.strategy import IdeaRequest, Past


def plan_epoch(
    past: Past, epoch: int, search: Search, rng: random.Random
) -> tuple[IdeaRequest, ...]:
    """Return the requests of the ideas that are due, `search.ideas_per_epoch` of them."""
    share = exploit_share(epoch)
    exploiting = sum(rng.random() < share for _ in range(search.ideas_per_epoch))
    return divided(exploiting, past, epoch, search, rng)
