"""Text to shards: local files through the datasets library, killed, damaged, and gone on with."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import ByteLevelBPETokenizer

from tests.envs import nanogpt

END = "<|endoftext|>"
SHARD_TOKENS = 4000
DOCUMENTS = 3000


def documents() -> list[str]:
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 7))) for _ in range(300)]
    return [" ".join(rng.choices(words, k=rng.randint(3, 40))) for _ in range(DOCUMENTS)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three Parquet files with a text column among others, and a tokenizer for them."""
    place = tmp_path_factory.mktemp("text")
    texts = documents()
    (place / "parquet").mkdir()
    for number in range(3):
        part = texts[number::3]
        table = pa.table({"id": [str(n) for n in range(len(part))], "text": part})
        pq.write_table(table, place / "parquet" / f"{number}.parquet", row_group_size=100)
    tokenizer: Any = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts, vocab_size=500, special_tokens=[END], show_progress=False)
    tokenizer.save(str(place / "tokenizer.json"))
    return place


def settings(place: Path, **changed: Any) -> dict[str, Any]:
    return {
        "tokenizer": str(place / "tokenizer.json"),
        "column": "text",
        "shard_tokens": SHARD_TOKENS,
        "shards": None,
        "train_mb": 1,
        **changed,
    }


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """The shards of an uninterrupted preparation."""
    root = place / "whole"
    root.mkdir()
    done = nanogpt.prepare(root, str(place / "parquet"), **settings(place))
    assert done.returncode == 0, done.stderr
    return root


def shards_in(root: Path) -> dict[str, bytes]:
    paths = [*(root / "sealed_data").glob("*.bin"), *(root / "train_data").glob("*.bin")]
    return {path.name: path.read_bytes() for path in paths}


def tokens_of(shards: dict[str, bytes]) -> np.ndarray:
    return np.concatenate([np.frombuffer(shards[name][1024:], "<u2") for name in sorted(shards)])


def encoded(place: Path, texts: list[str]) -> np.ndarray:
    """Return what the shards must hold, by the plainest way there is."""
    from tokenizers import Tokenizer  # noqa: PLC0415

    tokenizer: Any = Tokenizer.from_file(str(place / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    return np.array([token for text in texts for token in (end, *tokenizer.encode(text).ids)])


def test_every_document_is_there_in_order_behind_a_token_that_begins_it(place: Path, whole: Path):
    texts = documents()
    in_order = [text for number in range(3) for text in texts[number::3]]
    assert np.array_equal(tokens_of(shards_in(whole)), encoded(place, in_order))


def test_the_first_shard_is_sealed_and_no_other_is(whole: Path):
    assert [path.name for path in (whole / "sealed_data").glob("*.bin")] == ["000000.bin"]
    trained_on = sorted(path.name for path in (whole / "train_data").glob("*.bin"))
    assert trained_on[0] == "000001.bin"
    assert len(trained_on) > 10
    sizes = [(len(data) - 1024) // 2 for _, data in sorted(shards_in(whole).items())]
    assert sizes[:-1] == [SHARD_TOKENS] * (len(sizes) - 1)


def test_manifests_have_the_vocabulary_of_the_model(whole: Path):
    with nanogpt.modules(nanogpt.CODEBASE, "config") as (config,):
        size = config.SCALES["full"].vocab_size
        assert {scale.vocab_size for scale in (config.SCALES["full"], config.SCALES["small"])} == {
            size
        }
    for folder in ("sealed_data", "train_data"):
        manifest = json.loads((whole / folder / "manifest.json").read_text())
        assert manifest["vocab_size"] == size
        assert sorted(manifest["shards"]) == sorted(p.name for p in (whole / folder).glob("*.bin"))


def test_a_preparation_that_is_killed_over_and_over_makes_the_same_shards(
    place: Path, whole: Path, tmp_path: Path
):
    """Killed as soon as so many shards are in place, and started again."""
    argv = nanogpt.preparing(tmp_path, str(place / "parquet"), **settings(place))
    for enough in (2, 7):
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while len(shards_in(tmp_path)) < enough:
                assert time.monotonic() < deadline
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.001)
            process.kill()
        assert not (tmp_path / "train_data" / "manifest.json").exists()
    kept = (tmp_path / "train_data" / "000001.bin").stat().st_mtime_ns
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert shards_in(tmp_path) == shards_in(whole)
    assert (tmp_path / "train_data" / "000001.bin").stat().st_mtime_ns == kept


def test_a_damaged_shard_and_a_lost_one_are_made_again_and_the_others_kept(
    place: Path, whole: Path, tmp_path: Path
):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    train = tmp_path / "train_data"
    data = bytearray((train / "000004.bin").read_bytes())
    data[-1] ^= 1
    (train / "000004.bin").write_bytes(data)
    (train / "000009.bin").unlink()
    before = (train / "000005.bin").stat().st_mtime_ns
    done = nanogpt.prepare(tmp_path, str(place / "parquet"), **settings(place))
    assert done.returncode == 0, done.stderr
    made = [line for line in done.stdout.splitlines() if "0.bin" not in line and ".bin: " in line]
    assert [Path(line.partition(":")[0]).name for line in made] == ["000004.bin", "000009.bin"]
    assert shards_in(tmp_path) == shards_in(whole)
    assert (train / "000005.bin").stat().st_mtime_ns == before


def test_more_shards_may_be_asked_for_later(place: Path, whole: Path, tmp_path: Path):
    source = str(place / "parquet")
    assert nanogpt.prepare(tmp_path, source, **settings(place, shards=3)).returncode == 0
    assert sorted(shards_in(tmp_path)) == ["000000.bin", "000001.bin", "000002.bin"]
    assert nanogpt.prepare(tmp_path, source, **settings(place)).returncode == 0
    assert shards_in(tmp_path) == shards_in(whole)


def test_json_lines_give_the_tokens_of_parquet(place: Path, whole: Path, tmp_path: Path):
    texts = documents()
    in_order = [text for number in range(3) for text in texts[number::3]]
    lines = "".join(json.dumps({"body": text}) + "\n" for text in in_order)
    (tmp_path / "all.jsonl").write_text(lines)
    done = nanogpt.prepare(tmp_path, str(tmp_path / "all.jsonl"), **settings(place, column="body"))
    assert done.returncode == 0, done.stderr
    assert shards_in(tmp_path) == shards_in(whole)


def test_a_plain_text_file_is_one_document(place: Path, tmp_path: Path):
    texts = ["\n\n".join(documents()[:900]), "\n".join(documents()[900:])]
    (tmp_path / "files").mkdir()
    for name, text in zip("ab", texts, strict=True):
        (tmp_path / "files" / f"{name}.txt").write_text(text)
    done = nanogpt.prepare(tmp_path, str(tmp_path / "files"), **settings(place))
    assert done.returncode == 0, done.stderr
    assert np.array_equal(tokens_of(shards_in(tmp_path)), encoded(place, texts))


def test_other_settings_on_what_was_begun_are_refused(place: Path, whole: Path):
    done = nanogpt.prepare(whole, str(place / "parquet"), **settings(place, shard_tokens=5000))
    assert done.returncode == 1
    assert "were begun from" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("source", "changed", "message"),
    [
        ("nowhere", {}, "does not exist"),
        ("mixed", {}, "must hold files of one kind"),
        ("parquet", {"column": "nothing"}, "cannot be read"),
        ("parquet", {"tokenizer": "/nowhere.json"}, "cannot be read"),
        ("parquet", {"shard_tokens": 10**7}, "nothing is left to train on"),
    ],
)
def test_what_cannot_be_prepared_is_said_in_one_message(
    place: Path, tmp_path: Path, source: str, changed: dict[str, Any], message: str
):
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.txt").write_text("text")
    (tmp_path / "mixed" / "b.jsonl").write_text("{}")
    where = tmp_path / "mixed" if source == "mixed" else place / source
    done = nanogpt.prepare(tmp_path, str(where), **settings(place, **changed))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_internet_the_way_out_is_named(place: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = nanogpt.prepare(tmp_path, "fineweb", **settings(place))
    assert done.returncode == 1
    assert "prepare.source=PATH" in done.stderr


def test_the_verb_trains_a_bpe_on_the_spot_and_keeps_it(place: Path, tmp_path: Path):
    argv = [sys.executable, "-m", "airr.prepare", "env=nanogpt", f"data={tmp_path}"]
    chosen = [f"prepare.source={place / 'parquet'}", "prepare.tokenizer=trained"]
    done = subprocess.run(
        [*argv, *chosen, "prepare.shard_tokens=4000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "nanogpt" / "train" / "tokenizer.json").exists()
    again = subprocess.run(
        [*argv, *chosen, "prepare.shard_tokens=4000"], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0
    assert "training a BPE" not in again.stdout


def test_a_setting_that_an_environment_has_not_is_refused(tmp_path: Path):
    argv = [sys.executable, "-m", "airr.prepare", f"data={tmp_path}", "prepare.tokenizer=gpt2"]
    refused = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "prepare.tokenizer means nothing to env=nanogpt_tiny" in refused.stderr
