"""The token-level loss of GRPO on the tokens that were sampled, and what to watch beside it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLosses:
    """Sums over the real tokens of a micro-batch, each a scalar; only `loss` has a gradient."""

    loss: Tensor
    entropy: Tensor
    kl: Tensor
    clipped: Tensor


def log_probabilities(logits: Tensor, tokens: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each token and the entropy of its distribution, in nats.

    `logits` (batch, time, vocabulary) stand where each of `tokens` (batch, time) was sampled.
    Both answers are (batch, time), in float32; the entropy has no gradient.
    """
    spread = torch.log_softmax(logits.float() / temperature, dim=-1)
    chosen = spread.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropy = -(spread.exp() * spread).sum(-1)
    return chosen, entropy


def token_losses(  # noqa: PLR0913 - what the formula has
    logprobs: Tensor,
    *,
    sampled: Tensor,
    reference: Tensor | None,
    advantages: Tensor,
    entropy: Tensor,
    mask: Tensor,
    clip: tuple[float, float],
    kl_weight: float,
) -> TokenLosses:
    """Return the clipped surrogate (PPO's, per token) plus the penalty on the distance walked.

    Shapes are (batch, time); `advantages` is (batch,), one for a rollout's every token, thinking
    included. `sampled` are the log-probabilities kept from sampling, so that the ratio is an
    importance weight also for rollouts of an older policy. The distance to `reference` is the
    estimator k3 of Schulman (as in GRPO, arXiv 2402.03300, eq. 4) times that weight, without which
    its gradient would not be that of the distance (DeepSeek-V3.2, arXiv 2512.02556). Sums, not
    means: the caller divides by all tokens of a step, on all ranks, so that every token weighs the
    same (DAPO, arXiv 2503.14476).
    `mask` is 1 for real tokens and 0 for padding.
    """
    ratio = torch.exp((logprobs - sampled) * mask)
    weight = advantages.unsqueeze(1)
    bounded = ratio.clamp(1 - clip[0], 1 + clip[1])
    surrogate = torch.minimum(ratio * weight, bounded * weight)
    distance = torch.zeros_like(logprobs)
    if reference is not None:
        behind = (reference - logprobs) * mask
        distance = ratio * (torch.exp(behind) - behind - 1)
    losses = kl_weight * distance - surrogate
    is_clipped = (ratio * weight > bounded * weight).float()
    return TokenLosses(
        loss=(losses * mask).sum(),
        entropy=(entropy * mask).sum(),
        kl=(distance.detach() * mask).sum(),
        clipped=(is_clipped * mask).sum(),
    )
