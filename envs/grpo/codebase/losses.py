"""The losses of policy gradients, per token; all are to be minimised.

Shapes: B responses, T tokens. `logprobs` [B, T] are the policy's, with gradient; `old` [B, T]
those of the policy that sampled the response; `rewards` and `advantages` [B] hold for all tokens
of a response; `mask` [B, T] is 1 on the response's own tokens.
"""

import torch
from torch import Tensor


def grpo_clip(logprobs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """PPO's clipped objective: no gain from moving a token's probability further than `clip`."""
    ratio = (logprobs - old).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None])


def reinforce_with_baseline(logprobs: Tensor, advantages: Tensor) -> Tensor:
    """REINFORCE, where the group's mean is the baseline."""
    return -logprobs * advantages[:, None]


def no_baseline(logprobs: Tensor, rewards: Tensor) -> Tensor:
    """REINFORCE with the bare rewards."""
    return -logprobs * rewards[:, None]


def sequence_mean(losses: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over each response's own tokens, then over responses."""
    return ((losses * mask).sum(dim=1) / mask.sum(dim=1)).mean()
