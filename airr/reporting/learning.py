"""The ledger's rows -> what a policy under training came to, epoch by epoch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airr.policy.progress import Epoch, summarised
from airr.records import Idea, Outcome, Update, Wanted
from airr.reporting.tree import LearningFacts


def learning_of(
    ideas: Sequence[Idea], outcomes: Mapping[Wanted, Outcome], updates: Sequence[Update]
) -> tuple[LearningFacts, ...]:
    """Return the epochs of a campaign that trains a policy; nothing of another one."""
    if not updates:
        return ()
    by_epoch = {update.epoch: update for update in updates}
    return tuple(_facts(epoch) for epoch in summarised(ideas, outcomes, by_epoch))


def _facts(epoch: Epoch) -> LearningFacts:
    update, diversity = epoch.update, epoch.diversity
    return LearningFacts(
        epoch=epoch.epoch,
        mean=epoch.mean,
        scored_mean=epoch.executed_mean,
        execution_rate=epoch.execution_rate,
        maximum=epoch.maximum,
        best_so_far=epoch.best_so_far,
        ideas=diversity.ideas,
        distinct=diversity.distinct,
        similarity=diversity.similarity,
        top_share=diversity.top_share,
        thinking_tokens=epoch.thinking_tokens,
        idea_tokens=epoch.idea_tokens,
        entropy=update.entropy if update else None,
        kl=update.kl if update else None,
        sample_seconds=update.sample_seconds if update else None,
        update_seconds=update.update_seconds if update else None,
    )
