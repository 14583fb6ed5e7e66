"""Sampling and updates of a model of hardly any size, against the same computed plainly."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from airr.policy.loss import log_probabilities, token_losses
from airr.policy.models import Rank
from airr.policy.sampling import Drawn, draw
from airr.policy.updating import Example, Learner
from tests.policy.builders import POLICY, RL

# of transformers' own making
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

ALONE = Rank(rank=0, world=1, device=torch.device("cpu"))
VOCABULARY, END = 17, 0
PROMPT = (3, 1, 4)


def make_model(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=64,
        tie_word_embeddings=True,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval()


def sample(model: Any, count: int, seed: int = 0, temperature: float = 1.0) -> list[Drawn]:
    generator = torch.Generator().manual_seed(seed)
    return draw(
        model, PROMPT, count, max_tokens=12, temperature=temperature, ends={END},
        generator=generator,
    )  # fmt: skip


def plain_logprobs(model: Any, tokens: Sequence[int], temperature: float = 1.0) -> torch.Tensor:
    """Return each token's log-probability after the prompt, from one pass without a cache."""
    logits = model(input_ids=torch.tensor([[*PROMPT, *tokens]])).logits[0].float()
    spread = torch.log_softmax(logits / temperature, dim=-1)[len(PROMPT) - 1 : -1]
    return spread[torch.arange(len(tokens)), torch.tensor(tokens)]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_what_is_kept_from_sampling_are_the_model_s_own_probabilities(temperature: float):
    model = make_model()
    drawn = sample(model, 20, temperature=temperature)
    assert len({len(one.tokens) for one in drawn}) > 3, "rollouts leave the batch at their own time"
    for one in drawn:
        expected = plain_logprobs(model, one.tokens, temperature)
        torch.testing.assert_close(torch.tensor(one.logprobs), expected, rtol=1e-4, atol=1e-5)


def test_a_rollout_ends_at_its_end_or_at_the_limit():
    for one in sample(make_model(), 50):
        assert one.finished == (one.tokens[-1] == END)
        assert END not in one.tokens[:-1]
        assert one.finished or len(one.tokens) == 12


def test_a_seed_gives_the_same_rollouts_and_another_seed_others():
    model = make_model()
    assert sample(model, 8, seed=1) == sample(model, 8, seed=1) != sample(model, 8, seed=2)


def test_tokens_are_drawn_as_often_as_the_model_says():
    model = make_model()
    firsts = torch.tensor([one.tokens[0] for one in sample(model, 4000)])
    logits = model(input_ids=torch.tensor([PROMPT])).logits[0, -1]
    shares = torch.bincount(firsts, minlength=VOCABULARY) / 4000
    torch.testing.assert_close(shares, torch.softmax(logits, -1), atol=0.02, rtol=0)


def test_the_loss_is_ppo_s_clipped_surrogate_token_by_token():
    torch.manual_seed(0)
    now, then, reference = (-torch.rand(2, 5) * 3 for _ in range(3))
    advantages, mask = torch.tensor([1.5, -0.5]), torch.tensor([[1.0] * 5, [1.0, 1, 1, 0, 0]])
    found = token_losses(
        now, sampled=then, reference=reference, advantages=advantages, entropy=-now, mask=mask,
        clip=(0.2, 0.28), kl_weight=0.1,
    )  # fmt: skip
    loss = kl = clipped = 0.0
    for row, column in mask.nonzero().tolist():
        ratio = math.exp(now[row, column] - then[row, column])
        advantage = float(advantages[row])
        bounded = min(max(ratio, 0.8), 1.28) * advantage
        behind = float(reference[row, column] - now[row, column])
        distance = ratio * (math.exp(behind) - behind - 1)
        loss += 0.1 * distance - min(ratio * advantage, bounded)
        kl += distance
        clipped += ratio * advantage > bounded
    assert float(found.loss) == pytest.approx(loss, rel=1e-5)
    assert float(found.kl) == pytest.approx(kl, rel=1e-5)
    assert 0 < float(found.clipped) == clipped < 8
    assert float(found.entropy) == pytest.approx(float((-now * mask).sum()), rel=1e-5)


def test_entropy_is_that_of_the_whole_distribution():
    even = torch.zeros(1, 1, 8)
    _, entropy = log_probabilities(even, torch.zeros(1, 1, dtype=torch.long), 1.0)
    assert float(entropy) == pytest.approx(math.log(8))


def examples(model: Any, count: int = 6) -> list[Example]:
    advantages = [1.0, -1.0, 0.5, 0.0, -0.5, 2.0]
    return [
        Example(prompt=PROMPT, tokens=one.tokens, logprobs=one.logprobs, advantage=advantage)
        for one, advantage in zip(sample(model, count), advantages, strict=False)
    ]


def learner(model: Any, reference: Any, rank: Rank = ALONE, **changes: Any) -> Learner:
    policy = {name: value for name, value in changes.items() if hasattr(POLICY, name)}
    rl = {name: value for name, value in changes.items() if hasattr(RL, name)}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return Learner(
        model, reference, optimizer, policy=replace(POLICY, **policy),
        rl=replace(RL, clip_norm=1e9, **rl), rank=rank, seed=0,
    )  # fmt: skip


def weights(model: Any) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_a_step_follows_the_policy_gradient_whatever_the_micro_batches():
    start = make_model()
    taught = examples(start)
    total = sum(len(one.tokens) for one in taught)
    plain = copy.deepcopy(start)
    gains = [one.advantage * plain_logprobs(plain, one.tokens).sum() for one in taught]
    (-torch.stack(gains).sum() / total).backward()
    torch.optim.SGD(plain.parameters(), lr=0.5).step()
    for update_tokens in (1, 40, 10_000):
        model = copy.deepcopy(start)
        learner(model, start, update_tokens=update_tokens).learn(taught)
        torch.testing.assert_close(weights(model), weights(plain), rtol=1e-4, atol=1e-6)


def test_the_reward_of_an_update_is_that_good_rollouts_become_likelier():
    model = make_model()
    taught = examples(model)
    found = learner(model, make_model()).learn(taught)
    after = [plain_logprobs(model, one.tokens).sum().item() for one in taught]
    moved = [now - sum(one.logprobs) for now, one in zip(after, taught, strict=True)]
    assert moved[5] > 0 > moved[1]
    assert found["kl"] == pytest.approx(0, abs=1e-6), "it has not yet left where it began"
    assert 0 < found["entropy"] <= math.log(VOCABULARY)
    assert (found["clipped"], found["tokens"]) == (0, sum(len(one.tokens) for one in taught))


def test_a_rollout_of_an_older_policy_counts_by_importance():
    """Its gradient is the ratio of both policies' probabilities times that of its own."""
    old, new = make_model(0), make_model(1)
    (one, *_) = examples(old)
    plain = copy.deepcopy(new)
    ratios = torch.exp(plain_logprobs(plain, one.tokens) - torch.tensor(one.logprobs))
    (-ratios.sum() / len(one.tokens)).backward()
    model = copy.deepcopy(new)
    learner(model, new, clip_low=1.0, clip_high=1e6).learn([one])
    torch.optim.SGD(plain.parameters(), lr=0.5).step()
    torch.testing.assert_close(weights(model), weights(plain), rtol=1e-4, atol=1e-6)


def test_several_steps_share_the_group_and_leave_the_place_where_it_was_sampled():
    model = make_model()
    found = learner(model, make_model(), steps=3).learn(examples(model))
    assert found["kl"] > 1e-5


def test_the_policy_with_adapters_is_its_own_reference(tmp_path: Path):
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415

    adapters = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    model = get_peft_model(make_model(), adapters)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    taught = examples(model)
    one = Learner(model, None, optimizer, policy=POLICY, rl=RL, rank=ALONE, seed=0)
    first, second = one.learn(taught), one.learn(taught)
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert second["kl"] > 1e-5
