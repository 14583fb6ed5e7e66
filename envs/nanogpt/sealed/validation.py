"""The validation sequences: shards and their manifest, cut into what is asked of a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = 20240520, 1
HEADER_BYTES = 256 * 4

Tokens = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Validation:
    """Sequences [N, T + 1]: each token but the first is predicted from those before it."""

    sequences: Tokens
    vocab_size: int


def read_validation(folder: Path, token_limit: int) -> Validation:
    """Cut the shards of a folder, in order of name, into sequences of the manifest's length.

    At most `token_limit` tokens are predicted; what fills no sequence is left out.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    length = manifest["sequence_length"]
    parts = [_cut(read_shard(folder / name), length) for name in sorted(manifest["shards"])]
    sequences = np.concatenate(parts)[: token_limit // length]
    return Validation(sequences=sequences, vocab_size=manifest["vocab_size"])


def read_shard(path: Path) -> Tokens:
    """Return the tokens of a shard, mapped and not yet read."""
    magic, version, count = np.fromfile(path, dtype="<i4", count=3)
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError(f"{path} is no token shard: magic {magic}, version {version}")
    return np.memmap(path, dtype="<u2", mode="r", offset=HEADER_BYTES, shape=(int(count),))


def _cut(tokens: Tokens, length: int) -> Tokens:
    """Return [N, length + 1]. Sequences share no token: the first one of a sequence would tell
    a model that answers for several at once the last one of the sequence before.
    """
    count = len(tokens) // (length + 1)
    return tokens[: count * (length + 1)].reshape(count, length + 1)
