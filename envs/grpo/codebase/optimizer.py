"""The optimiser: AdamW, and the learning rate of each update."""

from collections.abc import Iterable

import torch
from torch import nn

from config import Config


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101)."""

    def __init__(self, weights: Iterable[nn.Parameter], config: Config):
        self.config = config
        self.weights = list(weights)
        self.means = [torch.zeros_like(weight) for weight in self.weights]  # of the gradient
        self.squares = [torch.zeros_like(weight) for weight in self.weights]  # its mean square
        self.updates = 0

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Move all weights by one update, and forget their gradients."""
        beta1, beta2 = self.config.beta1, self.config.beta2
        self.updates += 1
        for weight, mean, square in zip(self.weights, self.means, self.squares, strict=True):
            mean.lerp_(weight.grad, 1 - beta1)
            square.lerp_(weight.grad.square(), 1 - beta2)
            # both averages begin at zero: divide by the share of them that is filled
            scale = (square / (1 - beta2**self.updates)).sqrt() + self.config.epsilon
            weight.mul_(1 - lr * self.config.weight_decay)
            weight.addcdiv_(mean, scale, value=-lr / (1 - beta1**self.updates))
            weight.grad = None


def learning_rate(step: int, config: Config) -> float:
    """Return the rate of a step's updates: the same for all of them."""
    del step
    return config.lr
