"""Token shards and the manifest beside them: written whole, checked before they are trusted.

A shard is a .bin file: a header of 256 int32 (magic, version, token count), then uint16 tokens.
manifest.json in the same folder says what the shards are: the vocabulary, the length of a scored
sequence, and the size and hash of each. It is written last: no manifest, no data.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = 20240520, 1
HEADER_INTS = 256
HEADER_BYTES = HEADER_INTS * 4
MANIFEST = "manifest.json"

Tokens = NDArray[np.uint16]


class BadShard(Exception):
    """A file is no shard, is cut short, or holds other tokens than it should."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a scorer must know of tokens: how many kinds there are, how long a sequence is."""

    vocab_size: int
    sequence_length: int


@dataclass(frozen=True, slots=True)
class Shard:
    """The manifest's entry of one shard."""

    tokens: int
    bytes: int
    sha256: str


def write_shard(path: Path, tokens: Tokens) -> None:
    """Put a shard in place, whole or not at all."""
    header = np.zeros(HEADER_INTS, dtype="<i4")
    header[:3] = MAGIC, VERSION, len(tokens)
    put(path, header.tobytes() + tokens.astype("<u2").tobytes())


def check_shard(path: Path, text: Text) -> Shard:
    """Read a whole shard and return its entry in the manifest.

    Raises:
        BadShard: it cannot be trained on or scored with; the message says why.
    """
    header = np.fromfile(path, dtype="<i4", count=HEADER_INTS)
    if len(header) < HEADER_INTS or tuple(header[:2]) != (MAGIC, VERSION):
        raise BadShard(f"{path} is no token shard: magic {MAGIC}, version {VERSION} not found")
    count = int(header[2])
    if count < 1 or path.stat().st_size != HEADER_BYTES + 2 * count:
        raise BadShard(f"{path} is cut short: its header says {count} tokens, its size does not")
    tokens = np.memmap(path, dtype="<u2", mode="r", offset=HEADER_BYTES)
    if (largest := int(tokens.max())) >= text.vocab_size:
        raise BadShard(f"{path} holds token {largest}, the vocabulary has {text.vocab_size}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Shard(tokens=count, bytes=path.stat().st_size, sha256=digest)


def check_folder(folder: Path, text: Text) -> dict[str, Shard]:
    """Check every shard of a folder and return their entries by name."""
    return {path.name: check_shard(path, text) for path in sorted(folder.glob("*.bin"))}


def write_manifest(folder: Path, text: Text, source: str) -> None:
    """Describe a folder's shards: the last act of making it."""
    shards = check_folder(folder, text)
    entries = {name: asdict(shard) for name, shard in shards.items()}
    manifest = {**asdict(text), "source": source, "shards": entries}
    put(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    count = sum(shard.tokens for shard in shards.values())
    print(f"{folder}: {count:,} tokens in {len(shards)} shard(s), from {source}", flush=True)


def is_complete(folder: Path, text: Text) -> bool:
    """Tell whether a folder holds the very shards that its manifest describes."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        described = {name: Shard(**entry) for name, entry in manifest["shards"].items()}
        as_described = asdict(text).items() <= manifest.items()
        return as_described and bool(described) and described == check_folder(folder, text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadShard):
        return False


def put(path: Path, data: bytes) -> None:
    """Write beside, make durable, rename: a reader sees the whole file or none."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
