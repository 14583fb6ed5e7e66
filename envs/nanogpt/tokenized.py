"""A corpus to shards of tokens, one after the other, killed at any time and gone on with.

progress.json lies with the sealed data, out of the sight of candidates. It names the finished
shards with their hashes, and behind each the place in the corpus where the next one begins. A
shard that is missing or damaged is made again from there; all others are kept.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from corpus import Corpus, State
from shards import BadShard, Shard, Text, Tokens, check_shard, put, write_shard
from vocabulary import Vocabulary

RECORD = "progress.json"
TELL_SECONDS = 10.0


class CannotGoOn(Exception):
    """What is there was begun otherwise, or the corpus is too small; the message says which."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shard begins: a batch of documents, and tokens of it that belong to earlier ones."""

    state: State = field(default_factory=dict)
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """A finished shard, and the place behind it."""

    shard: Shard
    next: Place


class Stream:
    """The tokens of a corpus from a place on."""

    def __init__(self, corpus: Corpus, vocabulary: Vocabulary, place: Place):
        self.place = place
        self._batches = corpus.batches(place.state)
        self._vocabulary = vocabulary
        self._tokens = np.empty(0, dtype=np.uint16)  # of the batch that is being taken
        self._to_skip = place.skip

    def take(self, count: int, tell: Callable[[int], None]) -> Tokens:
        """Return the next `count` tokens, fewer where the corpus ends."""
        parts: list[Tokens] = []
        missing = count
        while missing:
            part = self._tokens[self.place.skip : self.place.skip + missing]
            if not len(part):
                if not self._next_batch():
                    break
                continue
            parts.append(part)
            missing -= len(part)
            self.place = Place(self.place.state, self.place.skip + len(part))
            tell(count - missing)
        return np.concatenate(parts) if parts else self._tokens[:0]

    def _next_batch(self) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        self._tokens = np.concatenate(self._vocabulary.encode(batch.texts))
        self.place, self._to_skip = Place(batch.state, self._to_skip), 0
        return True


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made: shard 0 to score on, all others to train on."""

    sealed_data: Path
    train_data: Path
    text: Text
    made_from: Mapping[str, object]
    """Source, tokenizer and whatever else decides which tokens there will be."""
    shard_tokens: int
    shards: int | None
    """How many at most; None is the whole corpus."""

    def path(self, index: int) -> Path:
        """Return where a shard lies."""
        folder = self.train_data if index else self.sealed_data
        return folder / f"{index:06d}.bin"


def fill(order: Order, corpus: Corpus, vocabulary: Vocabulary) -> None:
    """Make all shards that are not there.

    Raises:
        CannotGoOn: what is there was made from something else, or there is too little text.
    """
    made = read_record(order)
    for folder in (order.sealed_data, order.train_data):
        folder.mkdir(parents=True, exist_ok=True)
    stream: Stream | None = None
    index = 0
    while order.shards is None or index < order.shards:
        if index < len(made) and is_intact(order.path(index), made[index], order.text):
            stream = None
        else:
            place = made[index - 1].next if index else Place()
            stream = stream or Stream(corpus, vocabulary, place)
            tokens = stream.take(order.shard_tokens, _telling(index, order.shard_tokens))
            if not len(tokens):
                break
            made[index : index + 1] = [_keep(order, index, tokens, stream.place)]
            _write_record(order, made)
        index += 1
    if len(made) < 2:
        raise CannotGoOn(
            f"{corpus.source} fills {len(made)} shard of {order.shard_tokens:,} tokens: the first "
            "is to score on, and nothing is left to train on. Give more text, or make shards "
            f"smaller: remove {order.sealed_data}, and set prepare.shard_tokens"
        )


def read_record(order: Order) -> list[Made]:
    """Return the shards that were finished.

    Raises:
        CannotGoOn: they were made from something else.
    """
    try:
        record = json.loads((order.sealed_data / RECORD).read_bytes())
    except FileNotFoundError:
        return []
    if record["made_from"] != dict(order.made_from):
        raise CannotGoOn(
            f"the shards in {order.train_data} were begun from\n  {record['made_from']}\nand now "
            f"are to be made from\n  {dict(order.made_from)}\nGo on as they were begun, or remove "
            f"that folder and {order.sealed_data}"
        )
    return [Made(Shard(**one["shard"]), Place(**one["next"])) for one in record["shards"]]


def is_intact(path: Path, made: Made, text: Text) -> bool:
    """Tell whether a finished shard is still what it was."""
    try:
        return check_shard(path, text) == made.shard
    except (OSError, BadShard):
        return False


def _keep(order: Order, index: int, tokens: Tokens, place: Place) -> Made:
    path = order.path(index)
    write_shard(path, tokens)
    print(f"{path}: {len(tokens):,} tokens", flush=True)
    return Made(check_shard(path, order.text), place)


def _write_record(order: Order, made: list[Made]) -> None:
    record = {"made_from": dict(order.made_from), "shards": [asdict(one) for one in made]}
    put(order.sealed_data / RECORD, json.dumps(record, indent=1).encode())


def _telling(index: int, of: int) -> Callable[[int], None]:
    """Return what says now and then how far a shard is, and how fast it goes."""
    began = told = time.monotonic()

    def tell(count: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_SECONDS:
            told, speed = now, count / (now - began)
            left = (of - count) / speed
            print(
                f"shard {index}: {count / 1e6:.1f} of {of / 1e6:.0f} million tokens, "
                f"{speed / 1e6:.2f} million a second, {left:.0f} s to go",
                file=sys.stderr,
                flush=True,
            )

    return tell
