"""One head at a time, on this host or on another."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airr import lease as lease_module
from airr.errors import Occupied, WorkspaceError
from airr.lease import STALE_SECONDS, Lease, holder_of

HOLD = (
    "import sys, time; from pathlib import Path; from airr.lease import Lease\n"
    "Lease.acquire(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "campaign" / "lease"
    path.mkdir(parents=True)
    return path


@contextmanager
def held_by_another_process(folder: Path) -> Generator[int]:
    """Yield the pid of a process that holds the lease; it is killed with SIGKILL afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


def test_a_second_head_on_this_machine_is_refused_by_name_and_process(folder: Path):
    with (
        held_by_another_process(folder),
        pytest.raises(WorkspaceError, match=r"process \d+ on this machine"),
    ):
        Lease.acquire(folder)


def test_the_lease_of_a_killed_head_is_taken_over_at_once(folder: Path):
    with held_by_another_process(folder):
        pass
    assert holder_of(folder) is None
    assert Lease.acquire(folder).path.name == "00000002.json"


def test_a_head_on_another_host_holds_until_its_pulse_has_been_still_for_long(folder: Path):
    path = folder / "00000007.json"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 42, "started": "x"}))
    with pytest.raises(WorkspaceError, match="process 42 on elsewhere"):
        Lease.acquire(folder)
    long_ago = time.time() - STALE_SECONDS - 5
    os.utime(path, (long_ago, long_ago))
    assert Lease.acquire(folder).path.name == "00000008.json"


def test_a_head_that_was_taken_over_finds_out_before_it_writes(folder: Path):
    old = Lease.acquire(folder)
    old.check()
    (folder / "00000002.json").write_text("{}")
    with pytest.raises(WorkspaceError, match="another head has taken over"):
        old.check()


def test_of_two_heads_at_the_same_moment_one_gets_the_lease(folder: Path):
    Lease.acquire(folder)
    with pytest.raises(WorkspaceError, match="at this very moment"):
        Lease(folder / "00000001.json")._make()


def test_a_released_lease_is_free(folder: Path):
    Lease.acquire(folder).release()
    assert holder_of(folder) is None
    Lease.acquire(folder)


def test_a_process_that_got_a_dead_heads_number_is_not_taken_for_it(folder: Path):
    path = folder / "00000001.json"
    mine = {"host": lease_module.platform.node(), "pid": os.getpid(), "started": "boot:1"}
    path.write_text(json.dumps(mine))
    assert holder_of(folder) is None


def test_of_two_heads_that_make_leases_of_different_numbers_neither_goes_on_beside_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """One looked before a third lease was let go, and the other after that."""
    with held_by_another_process(folder):
        monkeypatch.setattr(lease_module, "holder_of", lambda _: None)  # as it was when it looked
        with pytest.raises(Occupied, match="at this very moment"):
            Lease.acquire(folder)
        assert [path.name for path in folder.iterdir()] == ["00000001.json"]


def test_a_lease_that_cannot_be_read_is_named(folder: Path):
    (folder / "00000003.json").write_text('{"host": "el')
    with pytest.raises(WorkspaceError, match=r"00000003\.json is damaged, last seen 0 s ago"):
        Lease.acquire(folder)


def test_a_file_server_whose_clock_was_set_back_makes_no_lease_younger_than_now(folder: Path):
    path = folder / "00000001.json"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 42, "started": "x"}))
    ahead = time.time() + 3600
    os.utime(path, (ahead, ahead))
    assert str(holder_of(folder)) == "process 42 on elsewhere, last seen 0 s ago"
