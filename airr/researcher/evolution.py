"""Evolution (arXiv 2601.14525, section 4): exploit what beat the baseline, explore the rest.

Epoch 0 asks for fresh ideas. Later, a share of each epoch exploits ideas that beat the baseline
and the rest explores, shown random past ideas of any fate; the exploiting share grows from one
half to four fifths. Where nothing beats the baseline yet, the whole epoch explores.
"""

from __future__ import annotations

import random

from airr.config import Search
from airr.records import Origin
from airr.researcher.strategy import IdeaRequest, Past, fresh, sample, split


def plan_epoch(
    past: Past, epoch: int, search: Search, rng: random.Random
) -> tuple[IdeaRequest, ...]:
    """Return the requests of one epoch; parents are drawn anew for each of them."""
    exploiting = round(exploit_share(epoch) * search.ideas_per_epoch)
    return divided(exploiting, past, epoch, search, rng)


def divided(
    exploiting: int, past: Past, epoch: int, search: Search, rng: random.Random
) -> tuple[IdeaRequest, ...]:
    """Return requests of which so many ideas exploit, if there is anything to, and others explore.

    Where nothing is known yet, all ideas are fresh.
    """
    if epoch == 0 or not past.trials:
        return fresh(search)
    better = past.better_than_baseline(search.caution)
    exploiting = exploiting if better else 0
    pools = (
        (Origin.EXPLOIT, exploiting, better),
        (Origin.EXPLORE, search.ideas_per_epoch - exploiting, past.trials),
    )
    return tuple(
        IdeaRequest(origin=origin, count=count, shown=sample(pool, search.history_in_prompt, rng))
        for origin, total, pool in pools
        for count in split(total, search.ideas_per_call)
    )


def exploit_share(epoch: int) -> float:
    """Return the share of an epoch that exploits: 0.5 at first, 0.8 from epoch 6."""
    return min(0.5 + 0.1 * (epoch // 2), 0.8)
