"""Checkpoints are whole or not there."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from airr.errors import WorkspaceError
from airr.policy.checkpoints import checkpoint_name, is_whole, new_checkpoint, rotate, verify


def save(policy: Path, epoch: int, text: str = "weights") -> Path:
    target = policy / checkpoint_name(epoch)
    with new_checkpoint(target) as folder:
        (folder / "model.safetensors").write_text(text)
        (folder / "optimizer.pt").write_text("moments")
    return target


def test_a_checkpoint_is_whole_once_it_is_in_place(tmp_path: Path):
    folder = save(tmp_path, 0)
    assert is_whole(folder)
    verify(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["e00"]


def test_what_is_interrupted_leaves_nothing_in_place(tmp_path: Path):
    with suppress(KeyboardInterrupt), new_checkpoint(tmp_path / "e00") as folder:
        (folder / "model.safetensors").write_text("half of the wei")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_the_first_of_two_jobs_counts(tmp_path: Path):
    save(tmp_path, 0, "of the first")
    folder = save(tmp_path, 0, "of the second")
    assert (folder / "model.safetensors").read_text() == "of the first"


def test_one_that_was_torn_is_made_anew(tmp_path: Path):
    folder = save(tmp_path, 0)
    (folder / "model.safetensors").write_text("w")
    assert not is_whole(folder)
    save(tmp_path, 0, "anew")
    assert (folder / "model.safetensors").read_text() == "anew"


def test_a_single_other_byte_is_found_when_it_is_read(tmp_path: Path):
    folder = save(tmp_path, 0)
    (folder / "model.safetensors").write_text("Weights")
    assert is_whole(folder), "its size is right"
    with pytest.raises(WorkspaceError, match="not what was saved: put a copy of it back"):
        verify(folder)


def test_the_last_ones_are_kept_in_the_order_of_epochs(tmp_path: Path):
    for epoch in (8, 9, 10, 100):
        save(tmp_path, epoch)
    rotate(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e10", "e100"]


def test_what_a_killed_job_left_half_saved_makes_room_too(tmp_path: Path):
    save(tmp_path, 8)
    (tmp_path / ".e08.0123abcd").mkdir()
    (tmp_path / ".e08.0123abcd" / "model.safetensors").write_text("half of the wei")
    rotate(tmp_path, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["e08"]
