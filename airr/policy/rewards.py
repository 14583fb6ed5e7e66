"""Outcomes of a group -> its rewards: the paper's, its appendix's variants, and one by noise. Pure.

A failed or withheld idea gets the same, least reward, whatever it says: what is added for words
(novelty, length, diversity) is added to what was scored alone, so that failing never pays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from airr.config import Metric
from airr.policy.diversity import jaccard_of, novelty_of
from airr.policy.objectives import Rewards
from airr.policy.settings import RewardKind, Rl
from airr.records import Outcome, Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A rollout's idea and what came of it."""

    text: str
    thinking_tokens: int
    outcome: Outcome


def rewards_of(
    group: Sequence[Judged], past: Sequence[str], *, baseline: Scored, metric: Metric, rl: Rl
) -> Rewards:
    """Return the reward of each rollout, shape (group,).

    `past` are the texts of all ideas executed in earlier epochs, which count for novelty.
    """
    rewards = np.array([_executed(one.outcome, baseline, metric, rl) for one in group])
    texts = [one.text for one in group]
    is_scored = np.array([isinstance(one.outcome, Scored) for one in group])
    bonus = np.zeros(len(group))
    if rl.novelty:
        bonus += rl.novelty * novelty_of(texts, past)
    if rl.length_reward:
        thousands = np.array([one.thinking_tokens for one in group]) / 1000
        bonus += np.minimum(rl.length_cap, rl.length_reward * thousands)
    if rl.diversity:
        bonus -= rl.diversity * jaccard_of(texts)
    return rewards + np.where(is_scored, bonus, 0.0)


def _executed(outcome: Outcome, baseline: Scored, metric: Metric, rl: Rl) -> float:
    """Return what execution alone is worth."""
    if rl.reward is RewardKind.METRIC:
        return outcome.reward if isinstance(outcome, Scored) else 0.0
    if not isinstance(outcome, Scored):
        return -rl.floor
    noise = math.hypot(outcome.standard_error or 0.0, baseline.standard_error or 0.0)
    gain = metric.gain(outcome.metric, over=baseline.metric)
    return max(-rl.floor, gain / noise if noise else math.copysign(rl.floor, gain))
