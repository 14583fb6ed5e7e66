"""A file system that refuses, for a while: a plain message, and afterwards nothing is missing."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import WatchedTraining, assert_nothing_is_double, what_came_of_it
from tests.faults.reading import read_all_along
from tests.faults.shaken import Shaken
from tests.faults.tripwire import Trap
from tests.faults.warm import Warm
from tests.slurm.daemons import wait_until

SMALL = ["llm=offline", "cluster=local", "cluster.sandbox=none"]
SIZE = ["search.epochs=1", "search.ideas_per_epoch=4"]
ERRORS = {
    "ENOSPC": "No space left on device",
    "EDQUOT": "Disk quota exceeded",
    "EIO": "Input/output error",
    "EROFS": "Read-only file system",
}
ADVICE = re.compile(r"make room|have it opened for writing|mend what refused|mend the file system")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refusals")


@pytest.fixture(scope="module")
def training(place: Path) -> WatchedTraining:
    return WatchedTraining(place / "trainings")


@pytest.fixture(scope="module")
def settings(place: Path, training: WatchedTraining) -> list[str]:
    env = [one for one in toy.make_campaign_env(place) if not one.startswith("root=")]
    return [*env, *SMALL, *SIZE, training.override("sleep 0.1")]


@pytest.fixture(scope="module")
def calm(place: Path, settings: list[str]) -> Shaken:
    campaign = Shaken.of(place, "calm", [*settings, f"root={place / 'runs'}"])
    assert campaign.run() == 0, campaign.said
    return campaign


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A small disk of its own, which may be full, or closed to writers."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def last_words(campaign: Shaken) -> str:
    """Return what the last head of a campaign said at its end, on one line."""
    said = campaign.said
    return re.sub(r"\s+", " ", said[said.rfind("airr: ") :])


def assert_as_calm(campaign: Shaken, calm: Shaken) -> None:
    assert "Traceback" not in campaign.said, campaign.said[-4000:]
    assert what_came_of_it(campaign.folder) == what_came_of_it(calm.folder)
    assert_nothing_is_double(campaign.folder)
    campaign.assert_nothing_is_left_running()


@pytest.mark.timeout(300)
def test_refused_once_at_every_point_a_head_says_so_and_the_same_command_goes_on(
    place: Path, settings: list[str], calm: Shaken, training: WatchedTraining
):
    """Each head is refused at the first point at which none before it was."""
    shaken = Shaken.of(place, "refused", [*settings, f"root={place / 'runs'}"])
    rng, ended, struck = random.Random(0), 1, 0
    with read_all_along(shaken.folder) as reader:
        for _ in range(99):
            error = rng.choice([*ERRORS])
            met_before = struck
            ended = shaken.run(Trap(f"{error}!", "+"))
            struck = len(shaken.struck())
            if struck == met_before:
                break
            assert ended in {0, 1, 2}, shaken.said[-3000:]
            if ended:
                words = last_words(shaken)
                assert ERRORS[error] in words, words
                assert ADVICE.search(words), words
                assert "goes on" in words or "start the same command again" in words
                assert str(shaken.folder) in words, f"it does not say where: {words}"
    assert ended == 0
    assert struck >= 30
    assert reader.complaints == []
    assert_as_calm(shaken, calm)
    training.assert_each_ran_once(shaken.folder, {*load(calm.folder).runs.id})


@pytest.mark.timeout(200)
def test_a_full_disk_ends_the_head_with_a_message_and_no_result_is_lost(
    tmp_path: Path, disk: Path, settings: list[str], calm: Shaken
):
    shaken = Shaken.of(tmp_path, "full", [*settings, f"root={disk / 'runs'}"], disk / "runs")
    ballast = disk / "ballast"
    with shaken.start_warm() as head:
        wait_until("a batch", lambda: any(shaken.folder.glob("jobs/*/batch.json")), seconds=60)
        fill(ballast)
        assert head.wait(timeout=60) == 1
    words = last_words(shaken)
    assert "No space left on device" in words
    assert str(shaken.folder) in words
    assert "make room there, and the same command goes on" in words
    assert shaken.run() == 1, "it is still full"
    ballast.unlink()
    assert shaken.run() == 0, shaken.said[-3000:]
    assert_as_calm(shaken, calm)


def fill(path: Path) -> None:
    with path.open("wb", 0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.timeout(200)
def test_a_read_only_folder_is_refused_by_head_and_dry_run_and_read_by_status(
    tmp_path: Path, disk: Path, settings: list[str], calm: Shaken
):
    shaken = Shaken.of(tmp_path, "closed", [*settings, f"root={disk / 'runs'}"], disk / "runs")
    assert shaken.run(Trap("kill", "ledger._commit: rename ledger", 3)) == -9
    shaken.assert_nothing_is_left_running()
    remount(disk, "ro")
    for more in ([], ["+dry_run=true"]):
        status, said = said_by(tmp_path, "evolve", *shaken.command.overrides, *more)
        assert status == 2
        assert f"{shaken.folder} cannot be written" in said
        assert "Read-only file system" in said
        assert "Choose another root=" in said
    status, said = said_by(tmp_path, "status", f"campaign={shaken.folder}")
    assert status == 0, said
    assert "closed: " in said
    remount(disk, "rw")
    assert shaken.run() == 0, shaken.said[-3000:]
    assert_as_calm(shaken, calm)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def said_by(place: Path, verb: str, *arguments: str) -> tuple[int, str]:
    log = place / "said"
    log.unlink(missing_ok=True)
    with Warm(f"airr.{verb}", arguments, log, {}) as process:
        status = process.wait(timeout=120)
    return status, re.sub(r"\s+", " ", log.read_text())


@pytest.mark.long
@pytest.mark.timeout(200)
def test_where_every_touch_takes_half_a_second_a_campaign_is_slow_and_nothing_else(
    place: Path, settings: list[str], calm: Shaken
):
    shaken = Shaken.of(place, "slow", [*settings, f"root={place / 'runs'}"])
    with shaken.start_warm(Trap("slow", "*", 25)) as head:
        wait_until("a result", lambda: any(shaken.folder.glob("jobs/*/*.r0.a0.json")), seconds=100)
        head.kill()
    assert shaken.run() == 0, shaken.said[-3000:]
    assert_as_calm(shaken, calm)


def test_a_log_that_cannot_be_written_is_no_reason_for_a_traceback(
    place: Path, settings: list[str], calm: Shaken
):
    shaken = Shaken.of(place, "unlogged", [*settings, f"root={place / 'runs'}"])
    shaken.folder.mkdir(parents=True)
    (shaken.folder / "airr.log").symlink_to("/dev/full")
    assert shaken.run() == 0, shaken.said[-3000:]
    assert_as_calm(shaken, calm)
    assert os.readlink(shaken.folder / "airr.log") == "/dev/full"  # noqa: PTH115
