"""How far apart an honest model's answers are when bfloat16 is rounded on another way to them.

    python benchmarks/rounding.py [--minutes 20] [--sequences 32] [--quick]

A GPT of 12 layers is trained on the sources of Python's libraries, under autocast as on a GPU, and
asked for the same sequences in several ways, half-way and at the end: whole, token by token, and in
batches of another size. What its losses differ by then is no cheat's gain: `tolerance` (a
mean of absolute differences) and `probe_tolerance` (a single token) in conf/env/nanogpt.yaml must
lie above it. On a GPU, the model is as wide as GPT-2.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "envs" / "nanogpt" / "codebase"))

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.measured import machine
from benchmarks.nanogpt import library_sources
from config import Config  # pyright: ignore
from model import GPT  # pyright: ignore
from optimizer import AdamW, learning_rate  # pyright: ignore

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config(
    vocab_size=8192,
    context=512,
    heads=12 if DEVICE == "cuda" else 3,
    width=768 if DEVICE == "cuda" else 192,
    peak_lr=2e-3,
    warmup_steps=50,
    tokens_per_step=4096,
)
CHARACTERS = 24_000_000


def main() -> None:
    arguments = parsed()
    asked, minutes = arguments.sequences, arguments.minutes
    torch.manual_seed(0)
    sequences = tokens(CHARACTERS if minutes >= 1 else CHARACTERS // 20)
    held, rest = sequences[:asked].to(DEVICE), sequences[asked:]
    model = GPT(CONFIG).to(DEVICE)
    table = Table(title=f"Losses in nats a token, {asked} sequences", caption=machine())
    table.add_column("loss")
    table.add_column("apart")
    for name in ("mean of |d|", "mean of d", "largest |d|"):
        table.add_column(name, justify="right")
    for loss in training(model, rest, 60 * minutes, arguments.looks):
        for name, one, other in ways(model, held):
            apart = (one - other).double()
            table.add_row(
                f"{loss:.2f}",
                name,
                f"{apart.abs().mean():.5f}",
                f"{apart.mean():+.6f}",
                f"{apart.abs().max():.3f}",
            )
        table.add_section()
    Console().print(table)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20, help="how long to train")
    parser.add_argument("--sequences", type=int, default=32, help="how many, not trained on")
    parser.add_argument("--looks", type=int, default=2, help="how often they are asked for")
    parser.add_argument("--quick", action="store_true", help="a few steps and sequences")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.minutes, arguments.sequences, arguments.looks = 0.1, 2, 1
    return arguments


def tokens(characters: int) -> Tensor:
    """Return sequences [N, T + 1] of the libraries' sources, shuffled file by file."""
    paths = np.array(library_sources())
    np.random.default_rng(0).shuffle(paths)
    texts: list[str] = []
    for path in paths:
        texts.append(path.read_text(encoding="utf-8", errors="ignore"))
        characters -= len(texts[-1])
        if characters < 0:
            break
    tokenizer = ByteLevelBPETokenizer()
    few = texts[: max(1, len(texts) // 8)]
    tokenizer.train_from_iterator(few, vocab_size=CONFIG.vocab_size, show_progress=False)
    ids = torch.tensor([token for text in tokenizer.encode_batch(texts) for token in text.ids])
    length = CONFIG.context + 1
    return ids[: len(ids) // length * length].view(-1, length)


def training(model: GPT, sequences: Tensor, seconds: float, looks: int) -> Iterator[float]:
    """Train for so long, and yield the loss whenever it is to be looked at."""
    optimizer = AdamW(model.parameters(), CONFIG)
    used, look, step = 0.0, 1, 0
    size = CONFIG.tokens_per_step // CONFIG.context
    while look <= looks:
        began = time.monotonic()
        batch = sequences[torch.randint(len(sequences), (size,))].to(DEVICE)
        with torch.autocast(DEVICE, torch.bfloat16):
            logits, _ = model.train()(batch[:, :-1])
        loss = cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CONFIG.clip_norm)
        left = max(0.0, 1 - used / seconds)
        optimizer.step(
            min(learning_rate(min(step, CONFIG.warmup_steps), CONFIG), CONFIG.peak_lr * left)
        )
        step += 1
        used += time.monotonic() - began
        if used >= seconds * look / looks:
            print(f"step {step}: loss {loss.item():.3f}", file=sys.stderr)
            yield loss.item()
            look += 1


@torch.inference_mode()
def ways(model: GPT, sequences: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield the losses [B, T] of sequences [B, T + 1] by two ways, and what the ways are."""
    model.eval()
    exact = whole(model, sequences, 4)
    with torch.autocast(DEVICE, torch.bfloat16):
        shown, other = (whole(model, sequences, at_once) for at_once in (4, 7))
        few = -(-len(sequences) // 4)
        told, fewer = (streamed(model, sequences, at_once) for at_once in (len(sequences), few))
    yield "bfloat16 and float32", shown, exact
    yield "token by token, and whole", told, shown
    yield "whole, in batches of 4 and of 7", shown, other
    yield "token by token, all and a quarter at once", told, fewer


def whole(model: GPT, sequences: Tensor, at_once: int) -> Tensor:
    batches = sequences.split(at_once)
    return torch.cat([losses(model(batch[:, :-1])[0], batch[:, 1:]) for batch in batches])


def streamed(model: GPT, sequences: Tensor, at_once: int) -> Tensor:
    parts: list[Tensor] = []
    for batch in sequences.split(at_once):
        cache, columns = None, []
        for position in range(CONFIG.context):
            logits, cache = model(batch[:, position : position + 1], cache)
            columns.append(losses(logits, batch[:, position + 1 : position + 2]))
        parts.append(torch.cat(columns, dim=1))
    return torch.cat(parts)


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    each = cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
    return each.view(targets.shape)


if __name__ == "__main__":
    main()
