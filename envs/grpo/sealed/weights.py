"""A saved file -> the stock model with its weights, or why it is none.

Nothing of the file is believed: its size and its header must be those of the stock architecture,
name by name, before a tensor is read. A header is JSON and the rest are numbers, so nothing in it
can be executed; whatever else lies in the output folder is not looked at.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from verdict import CandidateFailed

from model import ModelConfig, Qwen2

TYPES = {"F32": 4, "F16": 2, "BF16": 2}
"""The types in which weights may be saved, and their bytes."""
HEADER_LIMIT = 1_000_000
SHOWN = 5
"""So many names are told of those that are missing or foreign."""


def load_stock(path: Path, config: ModelConfig) -> Qwen2:
    """Return the stock model with the weights of a file, in float32 on the CPU.

    Raises:
        CandidateFailed: the file is missing, too large, foreign, or holds NaN or infinity.
    """
    with torch.device("meta"):
        model = Qwen2(config)
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    check_file(path, expected)
    try:
        weights = {name: weight.float() for name, weight in load_file(path).items()}
    except SafetensorError as error:
        raise CandidateFailed("bad_checkpoint", f"{path.name} cannot be read: {error}") from error
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise CandidateFailed("not_finite", f"{path.name}: {name} holds NaN or infinity")
    model.load_state_dict(weights, assign=True)
    return model


def check_file(path: Path, expected: dict[str, tuple[int, ...]]) -> None:
    """See that a file is plain, of a possible size, and holds the expected tensors alone."""
    if path.is_symlink() or not path.is_file():
        raise CandidateFailed("no_checkpoint", f"training left no plain file {path.name}")
    numbers = sum(torch.Size(shape).numel() for shape in expected.values())
    limit = max(TYPES.values()) * numbers + HEADER_LIMIT
    if (size := path.stat().st_size) > limit:
        raise CandidateFailed("too_large", f"{path.name} has {size:,} bytes, over {limit:,}")
    _check_entries(path.name, _read_header(path), expected)


def _read_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_LIMIT + 1
        text = file.read(length) if length <= HEADER_LIMIT else b""
    try:
        header: dict[str, Any] = dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise CandidateFailed("bad_checkpoint", f"{path.name} is no safetensors file") from None
    header.pop("__metadata__", None)
    return header


def _check_entries(file: str, header: dict[str, Any], expected: dict[str, tuple[int, ...]]) -> None:
    if header.keys() != expected.keys():
        missing = sorted(expected.keys() - header.keys())[:SHOWN]
        foreign = sorted(name[:80] for name in header.keys() - expected.keys())[:SHOWN]
        raise CandidateFailed(
            "bad_checkpoint", f"{file} is another model: it lacks {missing}, and holds {foreign}"
        )
    for name, shape in expected.items():
        entry = header[name]
        if not isinstance(entry, dict) or str(entry.get("dtype")) not in TYPES:
            raise CandidateFailed(
                "bad_checkpoint", f"{file}: {name} is not one of {', '.join(TYPES)}"
            )
        if entry.get("shape") != list(shape):
            raise CandidateFailed(
                "bad_checkpoint",
                f"{file}: {name} has the shape {str(entry.get('shape'))[:80]}, not {list(shape)}",
            )
