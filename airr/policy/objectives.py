"""Rewards of a group of rollouts -> their advantages. Pure, on NumPy alone.

mean       what GRPO maximises: the expected reward (Shao et al., arXiv 2402.03300)
max_at_k   the expected best of k rollouts (Walder and Karkhanis, arXiv 2505.15201)
entropic   log E[exp(beta r)], between the mean and the maximum (TTT-Discover, arXiv 2601.16175)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rewards = NDArray[np.float64]
EPSILON = 1e-6
"""Added to the group's standard deviation, as in the paper."""
TILT = math.log(2)
"""By how many nats the entropic weights may differ from equal ones; decides beta."""


def advantages_of(rewards: Rewards, objective: str, k: int) -> Rewards:
    """Return the advantage of each rollout of a group, shape (group,), as its rewards.

    All are 0 where all rewards are equal: such a group teaches nothing. `k` counts for max_at_k
    alone.

    Raises:
        KeyError: there is no such objective.
    """
    if np.ptp(rewards) == 0:
        return np.zeros_like(rewards)
    return OBJECTIVES[objective](rewards, min(k, len(rewards)))


def _mean(rewards: Rewards, _: int) -> Rewards:
    """Return how far each reward lies above the mean, in the group's standard deviations."""
    return (rewards - rewards.mean()) / (rewards.std(ddof=1) + EPSILON)


def _max_at_k(rewards: Rewards, k: int) -> Rewards:
    """Return what each rollout adds to the best of k, over all subsets of k that hold it.

    The estimator with the lowest variance of arXiv 2505.15201 (section 3.3): the subset's best less
    its best without this rollout. In the group's standard deviations, times the size of the group,
    so that k=1 has the scale of `mean`.
    """
    n = len(rewards)
    if k == 1:
        return _mean(rewards, k)
    order = np.argsort(rewards, kind="stable")
    ascending = rewards[order]
    subsets = math.comb(n, k)
    added = np.zeros(n)
    for i in range(k - 1, n):
        runners_up = np.arange(k - 2, i)
        ways = np.array([math.comb(int(m), k - 2) for m in runners_up], dtype=np.float64)
        added[i] = (ways / subsets) @ (ascending[i] - ascending[runners_up])
    found = np.empty(n)
    found[order] = added
    return n * found / (rewards.std(ddof=1) + EPSILON)


def _entropic(rewards: Rewards, _: int) -> Rewards:
    """Return exp(beta r) over its mean, less 1.

    Beta is where the weights' relative entropy against equal ones is TILT, so that neither the
    scale of the rewards nor one outlier decides how greedy an update is. In a group so small, or
    with so many that share the best reward, that no beta reaches it, the best share all weight.
    """
    from scipy.optimize import root_scalar  # noqa: PLC0415 - large, and no other objective needs it

    scaled = (rewards - rewards.max()) / np.ptp(rewards)
    reachable = math.log(len(rewards) / np.count_nonzero(scaled == 0))
    most = 1e4
    if reachable <= TILT:
        return _weights(scaled, most) - 1
    found = root_scalar(lambda beta: _tilt(scaled, beta) - TILT, bracket=(0.0, most))
    return _weights(scaled, float(found.root)) - 1


def _weights(scaled: Rewards, beta: float) -> Rewards:
    raised = np.exp(beta * scaled)
    return raised / raised.mean()


def _tilt(scaled: Rewards, beta: float) -> float:
    """Return KL(weights || equal) in nats."""
    weights = _weights(scaled, beta)
    shares = weights[weights > 0] / len(weights)
    return float(np.sum(shares * np.log(shares * len(weights))))


OBJECTIVES: dict[str, Callable[[Rewards, int], Rewards]] = {
    "mean": _mean,
    "max_at_k": _max_at_k,
    "entropic": _entropic,
}
