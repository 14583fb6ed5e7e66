"""Rewards to advantages: how much better a response is than others to the same prompt."""

from torch import Tensor


def group_normalised(rewards: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Return the advantages [P, N] of N responses to each of P prompts.

    Each group's mean is taken off, and what is left is divided by the group's standard deviation
    (GRPO, arXiv 2402.03300). Where all responses have one reward, nothing is to be learned.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, keepdim=True) + epsilon)
