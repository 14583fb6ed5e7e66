"""Make the data of this environment, or find that it is there.

    python prepare.py SPEC.json

SPEC: {"train_data", "sealed_data", "preflight_train", "preflight_sealed": folders to fill,
"settings": see prepare.settings in conf/env}. May be repeated at any time: what is there is checked
and kept. Exits with 1 and one message where data cannot be made.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import standard_library
import vocabulary
from corpus import FINEWEB, Corpus, NoCorpus
from shards import BadShard, Text, Tokens, check_folder, is_complete, write_manifest, write_shard
from tokenized import RECORD, CannotGoOn, Order, fill, read_record

GPT2_TEXT = Text(vocab_size=vocabulary.SIZE, sequence_length=1024)

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
    else:
        make_text(folders, spec["settings"])


def fill_from_library(folder: Path, make_tokens: Callable[[], Tokens]) -> None:
    """Write one shard of the standard library's sources, unless it is there."""
    if is_complete(folder, standard_library.TEXT):
        print(f"{folder}: there", flush=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_shard(folder / "000000.bin", make_tokens())
    standard_library.write_hidden_list(folder)
    write_manifest(folder, standard_library.TEXT, standard_library.SOURCE)


def make_text(folders: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
    """Make shards of GPT-2's vocabulary from FineWeb or local files, where they are not there."""
    train_data, sealed_data = folders["train_data"], folders["sealed_data"]
    if accept_foreign(train_data, sealed_data):
        return
    source = settings["source"]
    if source != FINEWEB:
        source = str(Path(source).absolute())
        if not Path(source).exists():
            raise CannotPrepare(f"prepare.source={source} does not exist")
    names = ("tokenizer", "column", "shard_tokens")
    order = Order(
        sealed_data=sealed_data,
        train_data=train_data,
        text=GPT2_TEXT,
        made_from={"source": source, **{name: settings[name] for name in names}},
        shard_tokens=settings["shard_tokens"],
        shards=settings["shards"],
    )
    read_record(order)
    corpus = Corpus(source, settings["column"])
    tokenizer = vocabulary_of(settings["tokenizer"], corpus, train_data, settings["train_mb"])
    fill(order, corpus, tokenizer)
    for folder in (sealed_data, train_data):
        write_manifest(folder, GPT2_TEXT, f"{source}, tokenizer {settings['tokenizer']}")


def accept_foreign(train_data: Path, sealed_data: Path) -> bool:
    """Take shards that somebody put in place, such as those of other nanoGPT projects."""
    if (sealed_data / RECORD).exists():
        return False
    folders = (train_data, sealed_data)
    if not all(is_complete(folder, GPT2_TEXT) for folder in folders):
        if not all(check_folder(folder, GPT2_TEXT) for folder in folders):
            return False
        for folder in folders:
            write_manifest(folder, GPT2_TEXT, "shards found in place")
        return True
    for folder in folders:
        print(f"{folder}: there", flush=True)
    return True


def vocabulary_of(asked: str, corpus: Corpus, folder: Path, train_mb: int) -> vocabulary.Vocabulary:
    """Return the tokenizer that was asked for; one to be trained is trained once."""
    if asked == vocabulary.GPT2:
        return vocabulary.gpt2(os.cpu_count() or 1)
    if asked != vocabulary.TRAINED:
        return vocabulary.from_file(Path(asked))
    if not (folder / vocabulary.FILE).exists():
        print(f"training a BPE of {vocabulary.SIZE:,} tokens on {train_mb} MB", flush=True)
        vocabulary.train(beginning(corpus, train_mb * 1_000_000), folder)
    return vocabulary.from_file(folder)


def beginning(corpus: Corpus, count: int) -> Iterator[str]:
    """Return documents from the first on, of `count` characters in all."""
    for batch in corpus.batches({}):
        yield from batch.texts
        count -= sum(map(len, batch.texts))
        if count <= 0:
            return


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (CannotPrepare, CannotGoOn, NoCorpus, vocabulary.NoVocabulary, BadShard) as error:
        sys.exit(f"cannot prepare: {error}")
