"""One prompt -> a group of rollouts, with the log-probability of every token that was drawn."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache


@dataclass(frozen=True, slots=True)
class Drawn:
    """The tokens of one rollout and their log-probabilities; unfinished ones met the limit."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finished: bool


@torch.inference_mode()
def draw(  # noqa: PLR0913 - what sampling is
    model: Any,
    prompt: Sequence[int],
    count: int,
    *,
    max_tokens: int,
    temperature: float,
    ends: Collection[int],
    generator: torch.Generator,
) -> list[Drawn]:
    """Return `count` rollouts of one prompt, sampled side by side from the whole distribution.

    The prompt goes through the model once, and its keys and values are shared out. All rollouts in
    hand are of the same length, so nothing is padded; those that end leave the batch.
    """
    cache = DynamicCache(config=model.config)
    device = next(model.parameters()).device
    ids = torch.tensor([prompt], device=device)
    logits = model(input_ids=ids, past_key_values=cache, logits_to_keep=1).logits[:, -1]
    cache.batch_repeat_interleave(count)
    logits = logits.expand(count, -1)
    tokens: list[list[int]] = [[] for _ in range(count)]
    logprobs: list[list[float]] = [[] for _ in range(count)]
    finished = [False] * count
    alive = list(range(count))
    for _ in range(max_tokens):
        chosen, chances = _choose(logits, temperature, generator)
        for row, token, chance in zip(alive, chosen.tolist(), chances.tolist(), strict=True):
            tokens[row].append(token)
            logprobs[row].append(chance)
            finished[row] = token in ends
        going_on = [n for n, row in enumerate(alive) if not finished[row]]
        if not going_on:
            break
        if len(going_on) < len(alive):
            kept = torch.tensor(going_on, device=device)
            cache.batch_select_indices(kept)
            chosen = chosen[kept]
            alive = [alive[n] for n in going_on]
        logits = model(input_ids=chosen.unsqueeze(1), past_key_values=cache).logits[:, -1]
    return [
        Drawn(tuple(own), tuple(chances), is_done)
        for own, chances, is_done in zip(tokens, logprobs, finished, strict=True)
    ]


def _choose(
    logits: Tensor, temperature: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a token for each row of (rows, vocabulary), and return it with its log-probability."""
    spread = torch.log_softmax(logits.float() / temperature, dim=-1)
    chosen = torch.multinomial(spread.exp(), 1, generator=generator)
    return chosen.squeeze(1), spread.gather(1, chosen).squeeze(1)


def batches(places: Sequence[int], size: int) -> Generator[Sequence[int]]:
    """Yield places in parts of at most `size`."""
    for start in range(0, len(places), size):
        yield places[start : start + size]
