"""The ledger's rows -> what each epoch of reinforcement learning came to. Pure.

A rising mean reward may come of better ideas or of ideas that fail less: the mean over what was
executed and the execution rate stand apart. Whether the maximum rises, and whether all converges on
a few ideas, is told beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from airr.book import Book
from airr.policy.diversity import Diversity, diversity_of
from airr.records import Idea, Outcome, Scored, Update, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch. Rewards are the environment's own, 0 for a failure; null where nothing scored.

    `thinking_tokens` and `idea_tokens` are means over its rollouts; `update` is null until there is
    one.
    """

    epoch: int
    ended: int
    mean: float
    executed_mean: float | None
    execution_rate: float
    maximum: float | None
    best_so_far: float | None
    thinking_tokens: float
    idea_tokens: float
    diversity: Diversity
    update: Update | None


def epochs_of(book: Book) -> list[Epoch]:
    """Return every epoch with an outcome, in order."""
    return summarised(book.ideas.values(), book.outcomes, book.updates)


def summarised(
    ideas: Iterable[Idea], outcomes: Mapping[Wanted, Outcome], updates: Mapping[int, Update]
) -> list[Epoch]:
    """Return what each epoch came to, whatever proposed its ideas."""
    by_epoch: dict[int, list[Idea]] = {}
    for idea in ideas:
        by_epoch.setdefault(idea.epoch, []).append(idea)
    found: list[Epoch] = []
    best: float | None = None
    for epoch, own in sorted(by_epoch.items()):
        ended = [outcomes[one.id, 0] for one in own if (one.id, 0) in outcomes]
        if not ended:
            continue
        rewards = [outcome.reward for outcome in ended if isinstance(outcome, Scored)]
        best = max((one for one in (best, *rewards) if one is not None), default=None)
        found.append(
            Epoch(
                epoch=epoch,
                ended=len(ended),
                mean=sum(rewards) / len(ended),
                executed_mean=fmean(rewards) if rewards else None,
                execution_rate=len(rewards) / len(ended),
                maximum=max(rewards, default=None),
                best_so_far=best,
                thinking_tokens=fmean(one.thinking_tokens for one in own),
                idea_tokens=fmean(one.idea_tokens for one in own),
                diversity=diversity_of([one.text for one in own]),
                update=updates.get(epoch),
            )
        )
    return found
