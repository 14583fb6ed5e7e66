"""Islands (ShinkaEvolve, arXiv 2509.19349; OpenEvolve): populations that evolve apart.

Each island has an equal share of an epoch. Its parents are drawn from its own ideas that beat the
baseline, the k-th best with weight 1/k, so that good ones breed often and no single one alone.
Every `migrate_every` epochs the best `migrants` of the next island are among them: their children
belong to the island that asked for them. What repeats an idea of any island is rejected by the
ideator, here from a lower `search.similarity` on than elsewhere.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence

from airr.config import IslandsSettings, Search
from airr.records import Origin, Trial
from airr.researcher.strategy import IdeaRequest, Past, evenly, sample, split


def plan_epoch(
    past: Past, epoch: int, search: Search, rng: random.Random
) -> tuple[IdeaRequest, ...]:
    """Return the requests of one epoch, one island after the other; the rest goes by turns."""
    own = search.own
    assert isinstance(own, IslandsSettings)
    better = past.better_than_baseline(search.caution)
    at_most = min(own.parents, search.history_in_prompt)
    requests: list[IdeaRequest] = []
    for place, count in enumerate(evenly(search.ideas_per_epoch, own.islands)):
        island = (place + epoch) % own.islands
        here = _living_on(island, past.trials)
        parents = _parents_on(island, better, own, epoch)
        exploiting = round(own.exploit_share * count) if parents else 0
        requests += [
            IdeaRequest(
                origin=Origin.EXPLOIT,
                count=part,
                shown=sample_by_rank(parents, at_most, rng),
                island=island,
            )
            for part in split(exploiting, search.ideas_per_call)
        ]
        requests += _new_blood(island, count - exploiting, here, search, rng)
    return tuple(requests)


def sample_by_rank(
    best_first: Sequence[Trial], count: int, rng: random.Random
) -> tuple[Trial, ...]:
    """Return up to `count` different trials; the k-th is drawn with weight 1/k."""
    # Efraimidis and Spirakis (2006): the largest u^(1/w) are a weighted sample
    keys = {one.idea.id: rng.random() ** rank for rank, one in enumerate(best_first, start=1)}
    return tuple(heapq.nlargest(count, best_first, key=lambda one: keys[one.idea.id]))


def _parents_on(
    island: int, better: Sequence[Trial], own: IslandsSettings, epoch: int
) -> tuple[Trial, ...]:
    """Return who may breed there, best first: its own, and in some epochs guests."""
    may = {one.idea.id for one in _living_on(island, better)}
    if own.migrate_every and epoch % own.migrate_every == 0:
        guests = _living_on((island + 1) % own.islands, better)[: own.migrants]
        may |= {one.idea.id for one in guests}
    return tuple(one for one in better if one.idea.id in may)


def _living_on(island: int, trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Return the trials of an island; those of none, from another strategy, live on each."""
    return tuple(one for one in trials if one.idea.island is None or one.idea.island == island)


def _new_blood(
    island: int, total: int, here: Sequence[Trial], search: Search, rng: random.Random
) -> list[IdeaRequest]:
    """Return what asks for ideas without parents: unlike those of the island, if it has any."""
    return [
        IdeaRequest(
            origin=Origin.EXPLORE if here else Origin.FRESH,
            count=part,
            shown=sample(here, search.history_in_prompt, rng),
            island=island,
        )
        for part in split(total, search.ideas_per_call)
    ]
