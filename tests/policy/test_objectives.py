"""Advantages against what their papers define, computed the long way."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airr.policy.objectives import EPSILON, OBJECTIVES, TILT, Rewards, advantages_of

groups = st.lists(st.floats(0, 1, width=16), min_size=3, max_size=7).map(np.array)


def best_of_k_gains(rewards: Rewards, k: int) -> Rewards:
    """Return, over all subsets of k with each rollout, the mean gain of their best by it."""
    found = np.zeros(len(rewards))
    subsets = list(itertools.combinations(range(len(rewards)), k))
    for subset in subsets:
        for one in subset:
            others = [rewards[other] for other in subset if other != one]
            found[one] += max(rewards[list(subset)]) - max(others)
    return found / len(subsets)


@given(groups)
def test_the_mean_objective_has_grpo_s_advantages(rewards: Rewards):
    found = advantages_of(rewards, "mean", 1)
    spread = np.std(rewards, ddof=1)
    assert found == pytest.approx(
        (rewards - np.mean(rewards)) / (spread + EPSILON) if np.ptp(rewards) else 0 * rewards
    )


@given(groups, st.integers(2, 5))
def test_max_at_k_counts_what_each_rollout_adds_to_the_best_of_k(rewards: Rewards, k: int):
    found = advantages_of(rewards, "max_at_k", k)
    k = min(k, len(rewards))
    scale = len(rewards) / (np.std(rewards, ddof=1) + EPSILON)
    assert found == pytest.approx(scale * best_of_k_gains(rewards, k), rel=1e-6, abs=1e-9)


def test_max_at_one_is_the_mean():
    rewards = np.array([0.1, 0.5, 0.2, 0.9])
    assert (advantages_of(rewards, "max_at_k", 1) == advantages_of(rewards, "mean", 1)).all()


@given(st.lists(st.integers(0, 100), min_size=4, max_size=12, unique=True), st.floats(0.1, 1000))
def test_entropic_weights_lie_ln_2_from_equal_ones_whatever_the_scale(ranks: list[int], by: float):
    rewards = np.array(ranks, dtype=float)
    found = advantages_of(rewards, "entropic", 1)
    shares = (found + 1) / len(rewards)
    told = sum(share * math.log(share * len(rewards)) for share in shares if share > 0)
    assert shares.sum() == pytest.approx(1)
    assert told == pytest.approx(TILT, abs=1e-6)
    assert (np.argsort(found) == np.argsort(rewards)).all()
    assert advantages_of(rewards * by, "entropic", 1) == pytest.approx(found, rel=1e-4, abs=1e-6)


def test_where_no_tilt_is_left_the_best_share_all_weight():
    found = advantages_of(np.array([0.0, 1.0, 1.0]), "entropic", 1)
    assert found == pytest.approx([-1, 0.5, 0.5])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_equal_rewards_teach_nothing(objective: str):
    assert not advantages_of(np.full(5, 0.3), objective, 2).any()
