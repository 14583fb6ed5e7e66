"""A tiny policy over made-up ideas, trained by REINFORCE on execution reward.

It stands in for an idea model under RL: which mechanisms an idea has, and how many, are drawn
from logits that climb the reward. Whatever the figures show of it (ideas that get safer and
alike) comes out of that; nothing is drawn by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.landscape import MECHANISMS, World

SIZES = 4
RATE = 2.0

Recipe = dict[int, float]


@dataclass(slots=True)
class Policy:
    """Logits over mechanisms, and over how many of them an idea has."""

    which: NDArray[np.float64]
    size: NDArray[np.float64]

    @classmethod
    def of(cls, world: World) -> Policy:
        """Begin with ideas as models propose them: popular mechanisms, few or several."""
        return cls(which=np.log(np.asarray(world.popularity)), size=np.zeros(SIZES))

    def sample(self, world: World, rng: np.random.Generator) -> Recipe:
        """Draw an idea; its numbers scatter about their optimum."""
        count = 1 + int(rng.choice(SIZES, p=softmax(self.size)))
        drawn = rng.choice(MECHANISMS, size=count, replace=False, p=softmax(self.which))
        return {int(m): float(np.clip(rng.normal(world.optima[int(m)], 0.25), 0, 1)) for m in drawn}

    def learn(self, recipes: list[Recipe], rewards: list[float]) -> None:
        """Climb: the advantage of an idea is its reward over the group's mean, by their scatter."""
        values = np.asarray(rewards)
        advantages = (values - values.mean()) / (values.std() + 1e-6)
        chance, sizes = softmax(self.which), softmax(self.size)
        for recipe, advantage in zip(recipes, advantages, strict=True):
            step = RATE * advantage / len(recipes)
            for m in recipe:
                self.which -= step * chance
                self.which[m] += step
            self.size -= step * sizes
            self.size[len(recipe) - 1] += step


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chances that logits stand for."""
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()
