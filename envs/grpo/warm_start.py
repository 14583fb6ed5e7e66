"""A model that has seen nothing -> one that adds like its teacher: a short supervised run.

On one thread, with seeds of its own: the same machine makes the same weights, bit by bit.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from sums import lesson, training_sums
from tokenizers import Tokenizer
from torch import Tensor

from checkpoint import save_policy
from model import Qwen2, read_config

STEPS = 400
LESSONS = 64
"""How many a step learns from."""
PEAK_RATE = 4e-3
WARMUP_STEPS = 50
INIT_STD = 0.06


def warm_start(folder: Path) -> None:
    """Write model.safetensors beside the config.json and tokenizer.json of a folder."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = Qwen2(read_config(folder / "config.json"))
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=INIT_STD)
        elif name.endswith("bias"):
            torch.nn.init.zeros_(weight)
    tokens, mask = _lessons(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step)
        rows = torch.randint(0, len(tokens), (LESSONS,))
        optimizer.zero_grad()
        loss = _loss(model, tokens[rows], mask[rows])
        loss.backward()
        optimizer.step()
        if (step + 1) % 200 == 0:
            print(f"warm start {step + 1}/{STEPS}  loss {loss.item():.3f}", flush=True)
    save_policy(model, folder / "model.safetensors")


def _lessons(tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Return all lessons [N, T], padded, and where the teacher's own tokens are predicted."""
    rng = random.Random("teacher")
    lessons = [lesson(pair, rng) for pair in training_sums()]
    prompts = [len(tokenizer.encode(prompt).ids) for prompt, _ in lessons]
    rows = [torch.tensor(tokenizer.encode(prompt + rest).ids) for prompt, rest in lessons]
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    predicted = torch.arange(1, tokens.size(1))
    starts = torch.tensor(prompts)[:, None]
    ends = torch.tensor([len(row) for row in rows])[:, None]
    return tokens, ((starts <= predicted) & (predicted < ends)).float()


def _loss(model: Qwen2, tokens: Tensor, mask: Tensor) -> Tensor:
    logits = model.logits(model(tokens[:, :-1]))
    losses = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return (losses * mask.flatten()).sum() / mask.sum()


def _rate(step: int) -> float:
    """Return the learning rate of a step: linear up, then linear down to nothing."""
    return PEAK_RATE * min((step + 1) / WARMUP_STEPS, 1.5 * (STEPS - step) / STEPS, 1.0)
