"""The time to a target: by the worker's clock, of copies that nobody can change afterwards."""

import os
import time
from pathlib import Path

import pytest

from airr.batch import Race, Result
from airr.executor.arrays import array_of
from airr.packing import Packing
from airr.records import Reason, Stage
from airr.worker.snapshots import Snapshots
from tests import toy
from tests.worker.test_task import run

FALLING = """\
import os, pathlib, time
out = pathlib.Path(os.environ["AIRR_OUT"])
for value in {values}:
    (out / "new").write_text(str(value))
    os.replace(out / "new", out / "checkpoint.txt")
    time.sleep(0.4)
"""
TO_TWO = Race(target=2.0, minimize=True, plausible=(0.5, 12.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.make_env(tmp_path)
    return tmp_path


def race(folder: Path, train: str, race: Race = TO_TWO) -> Result:
    plan = toy.plan(folder, race=race, budget_seconds=30.0)
    return run(folder, toy.tree(train), plan)


def test_the_clock_stops_with_the_first_checkpoint_that_is_good_enough(folder: Path):
    result = race(folder, FALLING.format(values=[4.0, 3.0, 2.5, 2.0, 1.5, 1.2]))
    assert result.reason is None, result.detail
    assert result.metric is not None
    # the fourth is saved 1.2 s after the first; the sandbox and Python take a moment to start
    assert 1.2 <= result.metric < result.train_seconds - 0.8
    assert result.standard_error is None


def test_a_target_that_is_not_reached_is_said_to_be_so(folder: Path):
    result = race(folder, FALLING.format(values=[4.0, 3.0]))
    assert (result.stage, result.reason) == (Stage.SCORE, Reason.NOT_REACHED)
    assert "3.0000 after" in result.detail
    assert "2 was not reached" in result.detail


def test_a_checkpoint_too_good_to_be_true_ends_the_race(folder: Path):
    result = race(folder, FALLING.format(values=[4.0, 3.0, 0.1]))
    assert result.reason is Reason.IMPLAUSIBLE


def test_a_metric_that_rises_reaches_its_target_from_below(folder: Path):
    rising = Race(target=2.0, minimize=False, plausible=(0.0, 12.0))
    result = race(folder, FALLING.format(values=[0.5, 1.0, 2.5, 3.0]), rising)
    assert result.metric is not None
    assert result.metric >= 0.8


def test_what_is_written_into_a_file_later_does_not_count_for_earlier(folder: Path):
    """The candidate keeps its first file open, dates it back, and improves it in the end."""
    cheat = """\
import os, pathlib, time
path = pathlib.Path(os.environ["AIRR_OUT"], "checkpoint.txt")
path.write_text("4.0")
time.sleep(1.5)
with path.open("r+") as file:
    file.write("1.0")
os.utime(path, (0, 0))
"""
    result = race(folder, cheat)
    assert result.metric is not None
    assert result.metric >= 1.5


def test_a_race_may_be_scored_several_times_and_has_the_time_for_it(folder: Path):
    def seconds(plan):
        return array_of(plan, Packing(runs=1, most=1), name="n", folder=folder, tasks=[0]).seconds

    plan = toy.plan(folder, score_seconds=100.0)
    assert seconds(toy.plan(folder, score_seconds=100.0, race=TO_TWO)) == seconds(plan) + 7 * 100


def test_of_many_copies_every_second_one_makes_room(tmp_path: Path):
    now = iter(range(1000))
    checkpoint, copies = tmp_path / "checkpoint", tmp_path / "copies"
    copies.mkdir()
    snapshots = Snapshots(
        checkpoint=checkpoint, folder=copies, limit_bytes=100, clock=lambda: float(next(now))
    )
    for number in range(100):
        checkpoint.write_text(f"{number:03d}")
        os.utime(checkpoint, ns=(number, number))
        snapshots.look(0.0)
        snapshots.look(0.0)
    assert len(snapshots.taken) == len(list(copies.iterdir())) <= 64
    assert [int(one.path.read_text()) for one in snapshots.taken] == [
        int(one.seconds) for one in snapshots.taken
    ]
    assert snapshots.taken[-1].path.read_text() == "099"


def test_links_pipes_and_large_files_are_not_copied(tmp_path: Path):
    checkpoint = tmp_path / "checkpoint"
    snapshots = Snapshots(checkpoint=checkpoint, folder=tmp_path, limit_bytes=100)
    began = time.monotonic()
    os.mkfifo(checkpoint)
    snapshots.look(began)
    checkpoint.unlink()
    (tmp_path / "small").write_text("small enough")
    checkpoint.symlink_to(tmp_path / "small")
    snapshots.look(began)
    checkpoint.unlink()
    checkpoint.write_bytes(bytes(101))
    snapshots.look(began)
    assert snapshots.taken == []
    checkpoint.write_bytes(bytes(100))
    snapshots.look(began)
    assert len(snapshots.taken) == 1
