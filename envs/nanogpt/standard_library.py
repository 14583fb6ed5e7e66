"""The sources of Python's standard library as bytes: text that every machine has.

Which files are held out for scoring is decided by a hash of the file's name alone, so that the
split is the same wherever the library is.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from shards import Text, Tokens

TEXT = Text(vocab_size=256, sequence_length=64)
SOURCE = f"the standard library of Python {platform.python_version()}"

SKIPPED = {
    *("test", "tests", "idle_test"),
    *("site-packages", "dist-packages", "__pycache__"),
    "encodings",  # tables that repeat one another: held-out ones would be known from training
}
HELD_OUT_SHARE = 0.1  # of the files
HELD_OUT_BYTES = 2560  # of each held-out file: many files weigh alike, no long one prevails
END_OF_FILE = b"\0"


def tokens_to_train_on() -> Tokens:
    """Return all files that are not held out."""
    return _tokens([content for name, content in _files().items() if not _is_held_out(name)])


def tokens_to_score_on() -> Tokens:
    """Return one slice of each held-out file."""
    return _tokens([_slice(name, text) for name, text in _files().items() if _is_held_out(name)])


@functools.cache
def _files() -> Mapping[str, bytes]:
    """Return the library's modules by their path in it, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = {path.relative_to(root): path for path in sorted(root.rglob("*.py"))}
    return {
        name.as_posix(): path.read_bytes()
        for name, path in paths.items()
        if not SKIPPED.intersection(name.parts)
    }


def _is_held_out(name: str) -> bool:
    return _draw(f"held out: {name}") < HELD_OUT_SHARE


def _slice(name: str, content: bytes) -> bytes:
    """Return HELD_OUT_BYTES of a file, from a place that its name decides."""
    start = int(_draw(f"slice: {name}") * max(0, len(content) - HELD_OUT_BYTES))
    return content[start : start + HELD_OUT_BYTES]


def _draw(text: str) -> float:
    """Return the number in [0, 1) that belongs to a text, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _tokens(parts: list[bytes]) -> Tokens:
    joined = b"".join(part + END_OF_FILE for part in parts)
    return np.frombuffer(joined, np.uint8).astype(np.uint16)
