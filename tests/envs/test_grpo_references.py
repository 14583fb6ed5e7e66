"""The model and the loss against transformers and trl, whose import alone takes seconds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.envs import grpo
from tests.trl_trainer import make_trainer

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

SHAPE: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "eos_token_id": 0,
}
PROMPT, LENGTHS = 6, (9, 4, 7, 1)
"""The tokens of each prompt, and of the responses."""


@pytest.fixture(scope="module")
def parts() -> Iterator[Any]:
    """model, train, rollouts and config of the codebase."""
    with grpo.modules(grpo.CODEBASE, "model", "train", "rollouts", "config") as found:
        yield found


def both_models(parts: Any, **changes: Any) -> tuple[Any, Any]:
    """Return a model of transformers with lively weights, and ours with the same ones."""
    from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: PLC0415 - seconds

    shape = SHAPE | changes
    torch.manual_seed(0)
    theirs: Any = Qwen2ForCausalLM(Qwen2Config(**shape)).eval()
    for weight in theirs.parameters():
        weight.data.add_(0.1 * torch.randn_like(weight))
    ours = parts[0].Qwen2(parts[0].ModelConfig(**shape)).eval()
    weights = theirs.state_dict()
    ours.load_state_dict({name: weights[name] for name in ours.state_dict()})
    return theirs, ours


def tokens(rows: int, length: int) -> torch.Tensor:
    return torch.randint(1, 40, (rows, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("tied", [True, False])
@torch.no_grad()
def test_our_qwen2_is_theirs(parts: Any, tied: bool):
    theirs, ours = both_models(parts, tie_word_embeddings=tied)
    given = tokens(3, 50)
    expected = theirs(given).logits
    torch.testing.assert_close(ours.logits(ours(given)), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_our_cached_answers_are_theirs_for_prompts_of_different_lengths(parts: Any):
    theirs, ours = both_models(parts)
    given, starts = tokens(3, 30), torch.tensor([4, 9, 6])
    cache = parts[0].Cache(ours.config, 3, 30, ours.model.norm.weight)
    ours(given[:, :9], cache)  # what is padding for the short ones is overwritten later
    cache.lengths[:] = starts
    for _ in range(20):
        cache.longest = int(cache.lengths.max())
        newest = given[torch.arange(3), cache.lengths]
        logits = ours.logits(ours(newest[:, None], cache)[:, 0])
        cache.lengths += 1
        for row, length in enumerate(cache.lengths.tolist()):
            expected = theirs(given[row : row + 1, :length]).logits[0, -1]
            torch.testing.assert_close(logits[row], expected, rtol=1e-4, atol=1e-4)


def rows(parts: Any) -> Any:
    """Return four responses of different lengths to one prompt, as our loss takes them."""
    width = PROMPT + max(LENGTHS)
    predicted = torch.arange(1, width)
    ends = PROMPT + torch.tensor(LENGTHS)[:, None]
    return parts[2].Rollouts(
        tokens=tokens(4, width),
        mask=((predicted >= PROMPT) & (predicted < ends)).float(),
        rewards=torch.tensor([1.0, 0.0, 1.0, 0.0]),
        advantages=torch.tensor([1.2, -0.6, 0.3, -0.9]),
        old_logprobs=torch.zeros(4, width - 1),
    )


def as_theirs(given: Any) -> dict[str, torch.Tensor]:
    completion = given.tokens[:, PROMPT:]
    return {
        "prompt_ids": given.tokens[:, :PROMPT],
        "prompt_mask": torch.ones(4, PROMPT, dtype=torch.long),
        "completion_ids": completion,
        "completion_mask": given.mask[:, PROMPT - 1 :].long(),
        "advantages": given.advantages,
        "old_per_token_logps": given.old_logprobs[:, PROMPT - 1 :],
        "num_items_in_batch": given.mask.sum(),
    }


@pytest.mark.parametrize("loss", ["grpo_clip", "reinforce_with_baseline"])
def test_our_loss_and_gradient_are_trl_s(parts: Any, loss: str, tmp_path: Path):
    """REINFORCE has the gradient of the clipped loss where the ratio is one."""
    warnings.simplefilter("ignore")
    theirs, ours = both_models(parts)
    given = rows(parts)
    with torch.no_grad():
        logprobs = parts[1].token_logprobs(ours, given.tokens, 1.0)
    moved = 0.8 * (torch.rand(logprobs.shape, generator=torch.Generator().manual_seed(2)) - 0.5)
    given.old_logprobs = logprobs + (moved if loss == "grpo_clip" else 0.0)

    trainer = make_trainer(theirs, tmp_path, vocabulary=40, loss_type="grpo", beta=0.0, epsilon=0.2)
    trainer.model.eval()
    expected = trainer._compute_loss(trainer.model, as_theirs(given))
    expected.backward()
    config = replace(parts[3].Config(), loss=loss)
    found = parts[1].loss_of(ours, given, config)
    found.backward()

    if loss == "grpo_clip":
        ratios = (logprobs - given.old_logprobs).exp()[given.mask.bool()]
        assert ((ratios < 0.8).any(), (ratios > 1.2).any()) == (True, True)
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    gradients = {name: weight.grad for name, weight in theirs.named_parameters()}
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(weight.grad, gradients[name], rtol=1e-3, atol=1e-5)
