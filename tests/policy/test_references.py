"""The loss and its gradient against trl's, whose import alone takes seconds."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from airr.policy.updating import Example
from tests.policy.test_learning import (
    PROMPT,
    VOCABULARY,
    examples,
    learner,
    make_model,
    plain_logprobs,
    weights,
)
from tests.trl_trainer import make_trainer

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

TEMPERATURE, RATE, LENGTHS = 0.7, 0.5, (12, 5, 9, 1, 7, 12)


def lively(seed: int) -> Any:
    """Return a model whose tokens are far from equally likely."""
    model = make_model(seed)
    for weight in model.parameters():
        weight.data.add_(0.1 * torch.randn_like(weight))
    return model


def of_an_older_policy(taught: Sequence[Example], model: Any) -> list[Example]:
    """Return rollouts of many lengths as another policy sampled them, with other probabilities."""
    taught = [
        replace(one, tokens=one.tokens[:length])
        for one, length in zip(taught, LENGTHS, strict=True)
    ]
    generator = torch.Generator().manual_seed(2)
    moved = [0.8 * (torch.rand(len(one.tokens), generator=generator) - 0.5) for one in taught]
    with torch.no_grad():
        now = [plain_logprobs(model, one.tokens, TEMPERATURE) for one in taught]
    return [
        replace(one, logprobs=tuple((a + b).tolist()))
        for one, a, b in zip(taught, now, moved, strict=True)
    ]


def as_theirs(taught: Sequence[Example], reference: Any) -> dict[str, torch.Tensor]:
    """Return the same rollouts as trl takes them, padded behind."""

    def padded(rows: Sequence[Sequence[float]]) -> torch.Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)

    with torch.no_grad():
        known = [plain_logprobs(reference, one.tokens, TEMPERATURE).tolist() for one in taught]
    prompt = torch.tensor(PROMPT).expand(len(taught), -1)
    mask = padded([[1] * len(one.tokens) for one in taught])
    return {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": padded([one.tokens for one in taught]),
        "completion_mask": mask,
        "advantages": torch.tensor([one.advantage for one in taught]),
        "old_per_token_logps": padded([one.logprobs for one in taught]),
        "ref_per_token_logps": padded(known),
        "num_items_in_batch": mask.sum(),
    }


@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_a_step_is_that_of_trl_s_token_level_loss(kl: float, tmp_path: Path):
    warnings.simplefilter("ignore")
    ours, reference = lively(0), lively(1)
    theirs = copy.deepcopy(ours)
    taught = of_an_older_policy(examples(ours), ours)

    trainer = make_trainer(
        theirs, tmp_path, vocabulary=VOCABULARY, loss_type="dapo", beta=0.0, epsilon=0.2,
        epsilon_high=0.28, temperature=TEMPERATURE,
    )  # fmt: skip
    trainer.beta = kl  # told sooner, it would look for the reference on the hub
    trainer.model.eval()
    expected = trainer._compute_loss(trainer.model, as_theirs(taught, reference))
    expected.backward()
    torch.optim.SGD(theirs.parameters(), lr=RATE).step()
    found = learner(
        ours, reference, temperature=TEMPERATURE, kl=kl, clip_low=0.2, clip_high=0.28
    ).learn(taught)

    assert found["clipped"] > 0
    assert found["loss"] == pytest.approx(expected.item(), rel=1e-4)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-6)
