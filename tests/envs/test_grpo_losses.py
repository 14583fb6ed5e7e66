"""Advantages and losses, with their gradients, against plain arithmetic on small tensors."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from tests.envs import grpo

CLIP = 0.2


@pytest.fixture
def parts() -> Iterator[Any]:
    """The modules losses and advantages of the codebase."""
    with grpo.modules(grpo.CODEBASE, "losses", "advantages") as found:
        yield found


def tensors() -> dict[str, torch.Tensor]:
    """Three responses of up to five tokens; ratios lie on both sides of both clips."""
    rng = torch.Generator().manual_seed(0)
    old = -torch.rand(3, 5, generator=rng, dtype=torch.float64) - 0.1
    return {
        "old": old,
        "logprobs": old + 0.8 * (torch.rand(3, 5, generator=rng, dtype=torch.float64) - 0.5),
        "advantages": torch.tensor([1.5, -0.7, 0.4], dtype=torch.float64),
        "mask": torch.tensor([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1], [0, 0, 0, 1, 0]]).double(),
    }


def clipped(logprob: float, old: float, advantage: float) -> tuple[float, float]:
    """Return a token's clipped loss, and its derivative by the log-probability."""
    ratio = math.exp(logprob - old)
    stopped = (ratio > 1 + CLIP and advantage > 0) or (ratio < 1 - CLIP and advantage < 0)
    if stopped:
        return -advantage * min(max(ratio, 1 - CLIP), 1 + CLIP), 0.0
    return -advantage * ratio, -advantage * ratio


def weighted(logprob: float, old: float, weight: float) -> tuple[float, float]:
    return -weight * logprob, -weight


CASES: dict[str, Callable[[float, float, float], tuple[float, float]]] = {
    "grpo_clip": clipped,
    "reinforce_with_baseline": weighted,
    "no_baseline": weighted,
}


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_are_those_of_plain_arithmetic(parts: Any, name: str):
    losses, _ = parts
    given = tensors()
    logprobs = given["logprobs"].clone().requires_grad_()
    arguments = {
        "grpo_clip": (logprobs, given["old"], given["advantages"], CLIP),
        "reinforce_with_baseline": (logprobs, given["advantages"]),
        "no_baseline": (logprobs, given["advantages"]),
    }[name]
    loss = losses.sequence_mean(getattr(losses, name)(*arguments), given["mask"])
    loss.backward()

    expected, gradient = 0.0, torch.zeros(3, 5, dtype=torch.float64)
    stopped = 0
    for row in range(3):
        length = given["mask"][row].sum().item()
        for column in range(5):
            if given["mask"][row, column]:
                numbers = (t.item() for t in (given["logprobs"][row, column],
                    given["old"][row, column], given["advantages"][row]))  # fmt: skip
                value, slope = CASES[name](*numbers)
                stopped += slope == 0
                expected += value / length / 3
                gradient[row, column] = slope / length / 3
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, gradient, rtol=0, atol=1e-12)
    assert (stopped > 0) is (name == "grpo_clip"), "the clip must matter in this case"


def test_advantages_have_no_mean_and_one_standard_deviation_in_each_group(parts: Any):
    _, advantages = parts
    rewards = torch.tensor([[0.0, 0, 0, 1], [1, 1, 0, 0]])
    found = advantages.group_normalised(rewards)
    deviations = [math.sqrt(3 / 4 * 1 / 4 * 4 / 3), math.sqrt(1 / 4 * 4 / 3)]
    expected = [
        [(reward - mean) / (deviation + 1e-6) for reward in row]
        for row, mean, deviation in zip(rewards.tolist(), (0.25, 0.5), deviations, strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_a_group_in_which_all_are_alike_teaches_nothing(parts: Any):
    _, advantages = parts
    assert not advantages.group_normalised(torch.ones(2, 8)).any()
