"""The parts of the codebase, each on its own."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.envs import nanogpt


@pytest.fixture
def parts() -> Iterator[Any]:
    """config, model, data and optimizer, imported from the codebase."""
    with nanogpt.modules(nanogpt.CODEBASE, "config", "model", "data", "optimizer") as found:
        yield found


def make_model(config: Any, model: Any) -> Any:
    torch.manual_seed(1)
    made = model.GPT(config.SCALES["tiny"]).eval()
    for weight in made.parameters():
        weight.data.mul_(5)  # a fresh model attends too evenly to tell positions apart
    return made


def random_tokens() -> torch.Tensor:
    return torch.randint(0, 256, (3, 64), generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
def test_an_answer_does_not_depend_on_later_tokens(parts: Any):
    config, model, _, _ = parts
    gpt, tokens = make_model(config, model), random_tokens()
    other = tokens.clone()
    other[:, 40:] = (other[:, 40:] + 7) % 256
    before, after = gpt(tokens)[0], gpt(other)[0]
    assert torch.equal(before[:, :40], after[:, :40])
    assert (before[:, 40:] - after[:, 40:]).abs().amax() > 0.1


@torch.inference_mode()
def test_one_token_at_a_time_gives_the_answers_of_the_whole_sequence(parts: Any):
    config, model, _, _ = parts
    gpt, tokens = make_model(config, model), random_tokens()
    whole, _ = gpt(tokens)
    cache = None
    for position in range(tokens.size(1)):
        logits, cache = gpt(tokens[:, position : position + 1], cache)
        torch.testing.assert_close(logits[:, 0], whole[:, position], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_started_sequence_can_be_gone_on_with(parts: Any):
    config, model, _, _ = parts
    gpt, tokens = make_model(config, model), random_tokens()
    whole, _ = gpt(tokens)
    _, cache = gpt(tokens[:, :50])
    logits, _ = gpt(tokens[:, 50:51], cache)
    torch.testing.assert_close(logits[:, 0], whole[:, 50], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("scale", "millions"), [("full", 124), ("small", 30), ("tiny", 0.12)])
def test_a_scale_has_the_size_that_it_claims(parts: Any, scale: str, millions: float):
    config, model, _, _ = parts
    with torch.device("meta"):
        gpt = model.GPT(config.SCALES[scale])
    count = sum(weight.numel() for weight in gpt.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.02)


def test_scales_override_no_optimiser_setting_but_the_warm_up(parts: Any):
    config, *_ = parts
    names = ("peak_lr", "final_lr_fraction", "beta1", "beta2", "weight_decay", "clip_norm")
    full = config.Config()
    for scale in config.SCALES.values():
        assert [getattr(scale, name) for name in names] == [getattr(full, name) for name in names]


def test_targets_are_the_tokens_one_position_on(parts: Any, data: Path):
    config, _, loader, _ = parts
    tokens, targets = next(loader.batches(data / "train_data", config.SCALES["tiny"], seed=0))
    assert tokens.shape == targets.shape == (16, 64)
    assert torch.equal(tokens[:, 1:], targets[:, :-1])


def test_processes_share_the_sequences_that_one_process_would_see(parts: Any, data: Path):
    config, _, loader, _ = parts
    tiny, folder = config.SCALES["tiny"], data / "preflight_train"

    def steps(**place: int) -> list[torch.Tensor]:
        # more steps than the shard is long, so that passes are counted in
        return [tokens for tokens, _ in islice(loader.batches(folder, tiny, 3, **place), 150)]

    shares = zip(*(steps(rank=rank, world_size=4) for rank in range(4)), strict=True)
    assert all(
        torch.equal(whole, torch.cat(share)) for whole, share in zip(steps(), shares, strict=True)
    )


def test_another_seed_brings_other_sequences(parts: Any, data: Path):
    config, _, loader, _ = parts
    one, other = (
        next(loader.batches(data / "train_data", config.SCALES["tiny"], seed))[0] for seed in (0, 1)
    )
    assert not torch.equal(one, other)


def test_adamw_moves_weights_as_pytorch_s_does(parts: Any):
    config, _, _, optimizer = parts
    torch.manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(7, 5))
    theirs = torch.nn.Parameter(ours.detach().clone())
    settings = replace(config.Config(), weight_decay=0.3)
    adamw = optimizer.AdamW([ours], settings)
    reference = torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.95), weight_decay=0.3)
    for lr in (0.1, 0.05, 0.02, 0.01):
        gradient = torch.randn(7, 5)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        reference.param_groups[0]["lr"] = lr
        adamw.step(lr)
        reference.step()
    torch.testing.assert_close(ours, theirs)
    assert ours.grad is None


def test_the_rate_warms_up_and_decays_to_nine_percent(parts: Any):
    config, _, _, optimizer = parts
    full = config.Config()
    rates = [optimizer.learning_rate(step, full) for step in (0, 255, 256, 26_879)]
    assert rates == pytest.approx([1.5e-3 / 256, 1.5e-3, 1.5e-3, 0.09 * 1.5e-3], rel=1e-3)
