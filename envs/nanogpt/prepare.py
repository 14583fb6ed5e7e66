"""Make the data of this environment, or find that it is there.

    python prepare.py SPEC.json

SPEC: {"train_data", "sealed_data", "preflight_train", "preflight_sealed": folders to fill,
"settings": {"source": "stdlib" or "fineweb"}}. May be repeated at any time: folders whose shards
match their manifest are left alone. Exits with 1 and one message where data cannot be made.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import standard_library
from shards import BadShard, Text, Tokens, check_folder, is_complete, write_manifest, write_shard

FINEWEB = Text(vocab_size=50257, sequence_length=1024)

# The preflight trains and scores on slices of training files alone: its tracebacks go back to
# the model that wrote the patch, and must not carry validation text with them.
PREFLIGHT_TRAIN = slice(0, 65_536)
PREFLIGHT_SEALED = slice(65_536, 65_536 + 64 * 64 + 1)


class CannotPrepare(Exception):
    """Data is missing that this program does not make; the message says what to do."""


def main(spec_path: Path) -> None:
    """Fill the four folders of a spec."""
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    folders = {
        name: Path(spec[name])
        for name in ("train_data", "sealed_data", "preflight_train", "preflight_sealed")
    }
    train = standard_library.tokens_to_train_on
    fill_from_library(folders["preflight_train"], lambda: train()[PREFLIGHT_TRAIN])
    fill_from_library(folders["preflight_sealed"], lambda: train()[PREFLIGHT_SEALED])
    source = spec["settings"]["source"]
    if source == "stdlib":
        fill_from_library(folders["train_data"], train)
        fill_from_library(folders["sealed_data"], standard_library.tokens_to_score_on)
    elif source == "fineweb":
        accept_fineweb(folders)
    else:
        raise CannotPrepare(f"source={source!r} is unknown: it takes stdlib or fineweb")


def fill_from_library(folder: Path, make_tokens: Callable[[], Tokens]) -> None:
    """Write one shard of the standard library's sources, unless it is there."""
    if is_complete(folder, standard_library.TEXT):
        print(f"{folder}: there", flush=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_shard(folder / "000000.bin", make_tokens())
    write_manifest(folder, standard_library.TEXT, standard_library.SOURCE)


def accept_fineweb(folders: Mapping[str, Path]) -> None:
    """Check the FineWeb shards that somebody put in place; this version does not make them."""
    for name in ("train_data", "sealed_data"):
        folder = folders[name]
        if is_complete(folder, FINEWEB):
            print(f"{folder}: there", flush=True)
            continue
        if not check_folder(folder, FINEWEB):
            raise CannotPrepare(
                "this version does not download FineWeb. Put shards of GPT-2 tokens (.bin: a "
                "header of 256 int32 with magic 20240520, version 1 and the token count, then "
                f"uint16 tokens) into\n  {folders['train_data']}    to train on\n"
                f"  {folders['sealed_data']}    to score on, no part of the former\n"
                "and run this command again: it checks and accepts them."
            )
        write_manifest(folder, FINEWEB, "shards found in place")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (CannotPrepare, BadShard) as error:
        sys.exit(f"cannot prepare: {error}")
