"""Preparation: what is made, what is kept, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.envs import nanogpt


def read(path: Path) -> bytes:
    """Return the bytes of a byte-level shard, reading the format from its description alone."""
    raw = path.read_bytes()
    header = np.frombuffer(raw[:1024], "<i4")
    assert header[:2].tolist() == [20240520, 1]
    assert not header[3:].any()
    tokens = np.frombuffer(raw[1024:], "<u2")
    assert len(tokens) == header[2]
    return tokens.astype(np.uint8).tobytes()


def write(path: Path, tokens: list[int], magic: int = 20240520) -> None:
    path.parent.mkdir(exist_ok=True)
    header = np.zeros(256, "<i4")
    header[:3] = magic, 1, len(tokens)
    path.write_bytes(header.tobytes() + np.array(tokens, "<u2").tobytes())


def test_shards_hold_a_header_and_the_library_s_bytes(data: Path):
    text = read(data / "train_data" / "000000.bin")
    assert len(text) > 5_000_000
    assert text.count(b"\ndef ") > 1000


def test_no_held_out_slice_occurs_in_the_training_text(data: Path):
    train = read(data / "train_data" / "000000.bin")
    held_out = read(data / "sealed_data" / "000000.bin").split(b"\0")
    long = [part for part in held_out if len(part) > 500]
    assert len(long) > 30
    assert not any(part in train for part in long)


def test_the_preflight_sees_training_text_alone(data: Path):
    train = read(data / "train_data" / "000000.bin")
    assert read(data / "preflight_train" / "000000.bin") in train
    assert read(data / "preflight_sealed" / "000000.bin") in train


def test_what_is_there_is_kept_and_what_is_damaged_is_made_again(data: Path, tmp_path: Path):
    nanogpt.prepare(tmp_path, "stdlib")
    kept, damaged = (tmp_path / name / "000000.bin" for name in ("train_data", "sealed_data"))
    before = kept.stat().st_mtime_ns
    with damaged.open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff\x00\xff")
    done = nanogpt.prepare(tmp_path, "stdlib")
    assert done.returncode == 0
    assert done.stdout.count(": there") == 3
    assert kept.stat().st_mtime_ns == before
    assert damaged.read_bytes() == (data / "sealed_data" / "000000.bin").read_bytes()


def test_fineweb_shards_put_in_place_are_checked_and_accepted(tmp_path: Path):
    write(tmp_path / "train_data" / "fineweb_train_000001.bin", [50256, 1, 2] * 1000)
    write(tmp_path / "sealed_data" / "fineweb_val_000000.bin", [50256, 3, 4] * 1000)
    done = nanogpt.prepare(tmp_path, "fineweb")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "sealed_data" / "manifest.json").read_text())
    assert (manifest["vocab_size"], manifest["sequence_length"]) == (50257, 1024)
    assert manifest["shards"]["fineweb_val_000000.bin"]["tokens"] == 3000


@pytest.mark.parametrize(
    ("tokens", "magic", "complaint"),
    [
        ([1, 2, 3], 20240521, "no token shard"),
        ([1, 50257, 3], 20240520, "holds token 50257"),
        ([], 20240520, "cut short"),
    ],
)
def test_a_foreign_shard_is_refused_by_name(
    tmp_path: Path, tokens: list[int], magic: int, complaint: str
):
    shard = tmp_path / "train_data" / "wrong.bin"
    write(shard, tokens, magic)
    done = nanogpt.prepare(tmp_path, "fineweb")
    assert done.returncode == 1
    assert str(shard) in done.stderr
    assert complaint in done.stderr
