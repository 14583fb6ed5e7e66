"""The training data: shards of tokens, cut into sequences, in an order drawn from the seed.

A shard is a .bin file: a header of 256 int32 (magic, version, token count), then uint16 tokens.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from config import Config

MAGIC, VERSION = 20240520, 1
HEADER_BYTES = 256 * 4


def read_shard(path: Path) -> np.ndarray:
    """Return the tokens of a shard, uint16."""
    magic, version, count = np.fromfile(path, dtype=np.int32, count=3)
    assert (magic, version) == (MAGIC, VERSION), f"{path} is no token shard"
    return np.fromfile(path, dtype=np.uint16, count=count, offset=HEADER_BYTES)


def batches(
    folder: Path, config: Config, seed: int, rank: int = 0, world_size: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for each step, this process's share of (tokens, targets), each [B, T] int64.

    Shards come in random order, for ever, and the sequences of each shard in random order. All
    processes draw the same order and take their part of it, so that a step sees the same
    sequences however many processes there are.
    """
    rng = np.random.default_rng(seed)
    shards = sorted(folder.glob("*.bin"))
    assert shards, f"{folder} holds no shards"
    step_size = config.tokens_per_step // config.context  # sequences, of all processes
    share = step_size // world_size
    assert share * world_size == step_size, f"{step_size} sequences do not divide by {world_size}"

    while True:
        for shard in rng.permutation(len(shards)):
            tokens = read_shard(shards[shard])
            phase = rng.integers(config.context)  # where cuts fall differs on every pass
            starts = np.arange(phase, len(tokens) - config.context, config.context)
            assert len(starts) >= step_size, f"{shards[shard]} is shorter than one step"
            rng.shuffle(starts)
            for first in range(0, len(starts) - step_size + 1, step_size):
                mine = starts[first + rank * share : first + (rank + 1) * share]
                sequences = tokens[mine[:, None] + np.arange(config.context + 1)].astype(np.int64)
                yield torch.from_numpy(sequences[:, :-1]), torch.from_numpy(sequences[:, 1:])
