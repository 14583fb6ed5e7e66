"""Best-of-N (arXiv 2601.14525, section 4): every idea is fresh, nothing is learned.

The arm that a search must beat at an equal number of executed ideas.
"""

from __future__ import annotations

import random

from airr.config import Search
from airr.researcher.strategy import IdeaRequest, Past, fresh


def plan_epoch(
    _past: Past, _epoch: int, search: Search, _rng: random.Random
) -> tuple[IdeaRequest, ...]:
    """Return the requests of one epoch, whatever happened before."""
    return fresh(search)
