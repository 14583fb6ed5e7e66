"""Tree search, greedy and best-first (AIDE, arXiv 2502.13138): draft, debug, improve.

The unmodified codebase is the root, and drafts are its children. Once there are `drafts` of them,
`debug_share` of an epoch mends failed leaves, each at most `debug_depth` times in a row, and the
rest improves the `breadth` best nodes. Where none beats the root, to improve the best node is to
draft again. AIDE takes one step at a time; here all steps of an epoch start from what is
known before it.
"""

from __future__ import annotations

import random

from airr.config import Search, TreeSettings
from airr.records import Failed, Origin, Trial
from airr.researcher.strategy import (
    MENDABLE,
    IdeaRequest,
    Past,
    evenly,
    fresh,
    sample,
    split,
)


def plan_epoch(
    past: Past, epoch: int, search: Search, rng: random.Random
) -> tuple[IdeaRequest, ...]:
    """Return the requests of one epoch: a child of a node is asked for with that node alone."""
    if epoch == 0 or not past.trials:
        return fresh(search)
    own = search.own
    assert isinstance(own, TreeSettings)
    size = search.ideas_per_epoch
    drafted = sum(not trial.idea.parents for trial in past.trials)
    drafts = min(size, max(0, own.drafts - drafted))
    mended = round(own.debug_share * (size - drafts))
    failed = sample(failed_leaves(past, own.debug_depth), mended, rng)
    improvements = size - drafts - len(failed)
    best = past.better_than_baseline(search.caution)[: min(own.breadth, improvements)]
    if not best:
        drafts, improvements = drafts + improvements, 0
    return (
        *_drafts(drafts, past, search, rng),
        *(IdeaRequest(origin=Origin.DEBUG, count=1, shown=(node,)) for node in failed),
        *(
            IdeaRequest(origin=Origin.EXPLOIT, count=count, shown=(node,))
            for node, share in zip(best, evenly(improvements, len(best)), strict=True)
            for count in split(share, search.ideas_per_call)
        ),
    )


def failed_leaves(past: Past, depth: int) -> tuple[Trial, ...]:
    """Return the failed trials that may be mended: nobody has tried, and the idea is to blame.

    One that came of mending is mended again unless `depth` attempts in a row have failed.
    """
    ideas = {trial.idea.id: trial.idea for trial in past.trials}
    have_children = {parent for idea in ideas.values() for parent in idea.parents}

    def attempts(idea_id: str) -> int:
        idea = ideas.get(idea_id)
        if idea is None or idea.origin is not Origin.DEBUG:
            return 0
        return 1 + max(map(attempts, idea.parents), default=0)

    return tuple(
        trial
        for trial in past.trials
        if isinstance(trial.outcome, Failed)
        and trial.outcome.reason in MENDABLE
        and trial.idea.id not in have_children
        and attempts(trial.idea.id) < depth
    )


def _drafts(total: int, past: Past, search: Search, rng: random.Random) -> tuple[IdeaRequest, ...]:
    """Return what asks for children of the root, unlike what was tried."""
    return tuple(
        IdeaRequest(
            origin=Origin.EXPLORE,
            count=count,
            shown=sample(past.trials, search.history_in_prompt, rng),
        )
        for count in split(total, search.ideas_per_call)
    )
