"""Text to GPT-2's 50,257 tokens: its own, those of a file, or a BPE trained on the spot.

Where GPT-2's vocabulary cannot be downloaded, any byte-level BPE of at most its size gives the
same model something as hard to learn; only losses of different vocabularies do not compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from shards import Tokens

SIZE = 50_257
END_OF_TEXT = "<|endoftext|>"
GPT2, TRAINED = "gpt2", "trained"
FILE = "tokenizer.json"


class NoVocabulary(Exception):
    """There is no usable tokenizer; the message says what to do."""


class Vocabulary(Protocol):
    """What turns documents into tokens."""

    name: str

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Return each document's tokens behind one that says that a text begins."""
        ...


@dataclass(frozen=True)
class Gpt2:
    """GPT-2's own, by tiktoken. Threads, which leave the interpreter, encode side by side."""

    encoding: Any
    threads: int
    name: str = GPT2

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        rows = self.encoding.encode_ordinary_batch(list(texts), num_threads=self.threads)
        return [behind(self.encoding.eot_token, row) for row in rows]


@dataclass(frozen=True)
class FromFile:
    """A tokenizer.json, by the tokenizers library, which uses all cores by itself."""

    tokenizer: Any
    name: str

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        beginning = self.tokenizer.token_to_id(END_OF_TEXT)
        rows = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [behind(beginning, row.ids) for row in rows]


def behind(beginning: int, row: Sequence[int]) -> Tokens:
    """Return a document's tokens with the one that begins it."""
    tokens = np.empty(len(row) + 1, dtype=np.uint16)
    tokens[0], tokens[1:] = beginning, row
    return tokens


def gpt2(threads: int) -> Vocabulary:
    """Return GPT-2's vocabulary, downloaded once and then cached by tiktoken.

    Raises:
        NoVocabulary: it is in no cache and cannot be downloaded.
    """
    import tiktoken  # noqa: PLC0415

    try:
        return Gpt2(tiktoken.get_encoding("gpt2"), threads)
    except OSError as error:  # what requests raises is one
        raise NoVocabulary(
            f"GPT-2's vocabulary cannot be downloaded ({type(error).__name__}). Copy what tiktoken "
            "caches on another machine and set TIKTOKEN_CACHE_DIR, or name a tokenizer.json with "
            "prepare.tokenizer=PATH, or have a BPE trained here with prepare.tokenizer=trained."
        ) from error


def from_file(path: Path) -> Vocabulary:
    """Return the vocabulary of a tokenizer.json, or of a folder with vocab.json and merges.txt.

    Raises:
        NoVocabulary: there is none, or it does not fit a model of GPT-2's vocabulary.
    """
    from tokenizers import ByteLevelBPETokenizer, Tokenizer  # noqa: PLC0415

    parts = path / "vocab.json", path / "merges.txt"
    try:
        if all(part.is_file() for part in parts):
            tokenizer: Any = ByteLevelBPETokenizer.from_file(*map(str, parts))
        else:
            tokenizer = Tokenizer.from_file(str(path / FILE if path.is_dir() else path))
    except Exception as error:
        raise NoVocabulary(f"prepare.tokenizer={path} cannot be read: {error}") from error
    size = tokenizer.get_vocab_size()
    if size > SIZE or tokenizer.token_to_id(END_OF_TEXT) is None:
        raise NoVocabulary(
            f"prepare.tokenizer={path} has {size:,} tokens: it must have at most {SIZE:,}, and one "
            f"that is called {END_OF_TEXT}"
        )
    return FromFile(tokenizer, str(path))


def train(texts: Iterable[str], into: Path) -> None:
    """Train a byte-level BPE of GPT-2's size, and put it into a folder."""
    from tokenizers import ByteLevelBPETokenizer  # noqa: PLC0415

    tokenizer: Any = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        texts, vocab_size=SIZE, special_tokens=[END_OF_TEXT], show_progress=False
    )
    into.mkdir(parents=True, exist_ok=True)
    beside = into / f".{FILE}"
    tokenizer.save(str(beside))
    beside.replace(into / FILE)
