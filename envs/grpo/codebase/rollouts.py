"""Problems to rollouts: groups of responses to each prompt, rewarded, ready to be learned from.

Shapes: P prompts, N responses to each, B = P * N rows, group after group, T tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from tokenizers import Tokenizer
from torch import Tensor

from advantages import group_normalised
from config import Config
from data import Problem
from rewards import Reward, reward
from sampling import Response, Sampler


@dataclass
class Rollouts:
    """Rows to learn from. Of T tokens, T - 1 are predicted: those behind the first."""

    tokens: Tensor  # [B, T]: prompt, response, padding
    mask: Tensor  # [B, T - 1]: 1 where a token of the response is predicted
    rewards: Tensor  # [B]
    advantages: Tensor  # [B]
    old_logprobs: Tensor  # [B, T - 1], of the policy that sampled the responses

    def split(self, rows: int) -> "Iterator[Rollouts]":
        """Yield parts of so many rows, without the padding that none of them needs."""
        for first in range(0, len(self.tokens), rows):
            part = {f.name: getattr(self, f.name)[first : first + rows] for f in fields(self)}
            length = int(part["mask"].any(dim=0).nonzero().max()) + 2
            part["tokens"] = part["tokens"][:, :length]
            part["mask"] = part["mask"][:, : length - 1]
            part["old_logprobs"] = part["old_logprobs"][:, : length - 1]
            yield Rollouts(**part)


def sample_groups(
    sampler: Sampler, problems: Sequence[tuple[int, Problem]], config: Config, seed: tuple[int, ...]
) -> list[Response]:
    """Return a group of responses to each problem. `seed` and its number decide what is drawn."""
    responses = [
        Response(problem.prompt, seed=(*seed, number, index))
        for number, problem in problems
        for index in range(config.group_size)
    ]
    sampler.generate(responses, config.response_tokens, config.temperature)
    return responses


def judge(
    responses: Sequence[Response], problems: Sequence[tuple[int, Problem]], tokenizer: Tokenizer
) -> list[Reward]:
    """Return the reward of each response; they stand in groups, problem after problem."""
    group_size = len(responses) // len(problems)
    texts = tokenizer.decode_batch([r.tokens for r in responses], skip_special_tokens=False)
    truths = [problem.answer for _, problem in problems for _ in range(group_size)]
    return [reward(text, truth) for text, truth in zip(texts, truths, strict=True)]


def make_rollouts(
    responses: Sequence[Response], rewards: Sequence[Reward], config: Config, device: torch.device
) -> Rollouts:
    """Lay the responses side by side; `old_logprobs` are still to be filled in."""
    rows = [torch.tensor(r.prompt + r.tokens) for r in responses]
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
    starts = torch.tensor([len(r.prompt) for r in responses], device=device)[:, None]
    ends = torch.tensor([len(row) for row in rows], device=device)[:, None]
    predicted = torch.arange(1, tokens.size(1), device=device)
    totals = torch.tensor([r.total for r in rewards], device=device)
    groups = totals.view(-1, config.group_size)
    return Rollouts(
        tokens=tokens,
        mask=((starts <= predicted) & (predicted < ends)).float(),
        rewards=totals,
        advantages=group_normalised(groups, config.advantage_epsilon).flatten(),
        old_logprobs=torch.zeros(predicted.expand(len(rows), -1).shape, device=device),
    )


def summary(responses: Sequence[Response], rewards: Sequence[Reward]) -> list[float]:
    """Return the means of reward, form, correctness and length."""
    rows = [
        (r.total, r.formatted, r.correct, len(response.tokens))
        for r, response in zip(rewards, responses, strict=True)
    ]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
