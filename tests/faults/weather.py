"""What befalls campaigns of the soak: one function for each kind of fault, on a real Slurm."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

from tests.campaigns import kill_with_children
from tests.faults.storm import Storm
from tests.faults.tripwire import Trap
from tests.slurm.configuration import node_names
from tests.slurm.daemons import wait_until

REFUSED = 2
"""Exit status of a head that may not begin."""
ERRORS = ("ENOSPC", "EDQUOT", "EIO", "ESTALE", "EROFS")
CLOCKS_HOURS = (-3.0, -0.1, 0.1, 3.0)


def kill_head(storm: Storm) -> None:
    storm.living_head()
    storm.wait(5)
    storm.kill(lambda head: head.kill())


def kill_family(storm: Storm) -> None:
    """The head, and whatever it has started, such as the child that talks to Slurm."""
    storm.living_head()
    storm.wait(5)
    storm.kill(kill_with_children)


def kill_worker(storm: Storm) -> None:
    """A worker dies on its node without a word, with all that it has started."""
    storm.living_head()
    deadline = time.monotonic() + 10
    while not (found := workers_of(storm)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if found:
        with suppress(psutil.Error):
            storm.rng.choice(found).kill()


def workers_of(storm: Storm) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "airr.worker" in line and any(str(storm.campaign.folder) in word for word in line):
            found.append(process)
    return found


def kill_controller(storm: Storm) -> None:
    """Only once it has saved its state: else it forgets what it took, and runs jobs again."""
    storm.living_head()
    storm.wait(5)
    began = time.time()
    with suppress(Exception):
        wait_until("the state", lambda: storm.cluster.saved_at() > began + 1, seconds=10)
    storm.cluster.daemon("slurmctld").kill()
    time.sleep(storm.rng.uniform(0, 8))
    storm.cluster.start_controller()


def freeze_controller(storm: Storm) -> None:
    storm.living_head()
    storm.wait(3)
    controller = storm.cluster.daemon("slurmctld")
    controller.signal(signal.SIGSTOP)
    time.sleep(storm.rng.uniform(1, 12))
    controller.signal(signal.SIGCONT)


def kill_accounting(storm: Storm) -> None:
    storm.living_head()
    storm.cluster.daemon("slurmdbd").kill()
    storm.wait(8)
    storm.cluster.start_accounting()


def crash_node(storm: Storm) -> None:
    """A node loses power, and comes back."""
    storm.living_head()
    storm.wait(5)
    node = storm.rng.choice(node_names(storm.cluster.shape))
    storm.cluster.crash_node(node)
    time.sleep(storm.rng.uniform(0, 5))
    storm.cluster.start_node(node)


def cancel_by_hand(storm: Storm) -> None:
    """One task is cancelled by somebody who is not its head."""
    storm.living_head()
    storm.wait(6)
    asked = ("squeue", "--noheader", "--array", f"--name={storm.jobs}", "--format=%i")
    if storm.jobs and (tasks := storm.cluster.run(*asked).stdout.split()):
        storm.may_lose_ideas = True
        storm.cluster.run("scancel", storm.rng.choice(tasks))


def refuse(storm: Storm) -> None:
    """The file system refuses the n-th touch, once or from then on."""
    error = storm.rng.choice(ERRORS)
    assert hasattr(errno, error)
    once = storm.rng.choice(("", "!"))
    _under_a_trap(storm, Trap(f"{error}{once}", "*", storm.rng.randint(1, 120)))


def delay(storm: Storm) -> None:
    """Whatever touches the file system takes half a second, from some point on."""
    _under_a_trap(storm, Trap("slow", "*", storm.rng.randint(1, 60)))


def _under_a_trap(storm: Storm, trap: Trap) -> None:
    storm.kill(lambda head: head.kill())
    if storm.living_head(trap):
        storm.wait(12)
        storm.kill(lambda head: head.kill())


def fill_the_disk(storm: Storm) -> None:
    """The file system of campaigns is full for some seconds, for heads and workers alike."""
    storm.living_head()
    storm.wait(4)
    ballast = storm.campaign.folder.parent.parent / "ballast"
    storm.is_trapped = True
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    time.sleep(storm.rng.uniform(1, 8))
    ballast.unlink()
    # who was refused ends a little later
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and storm.head and storm.head.poll() is None:
        time.sleep(0.05)
    storm.see_how_it_ended()


def start_two(storm: Storm) -> None:
    """Two heads begin at the same moment."""
    storm.kill(lambda head: head.kill())
    if storm.is_complete:
        return
    storm.is_trapped = False
    pair = [storm.campaign.start(), storm.campaign.start()]
    deadline = time.monotonic() + 60
    while all(one.poll() is None for one in pair) and time.monotonic() < deadline:
        time.sleep(0.05)
    ended = [one for one in pair if one.poll() is not None]
    if [one.returncode for one in ended] not in ([REFUSED], [0, REFUSED], [REFUSED, 0]):
        codes = [one.poll() for one in pair]
        if codes != [0, 0]:  # the first had nothing to do, and left before the second came
            storm.violations.append(f"of two heads at once the exit statuses are {codes}")
    storm.head = next((one for one in pair if one not in ended), None)
    storm.is_complete |= 0 in [one.returncode for one in ended]


def come_from_elsewhere(storm: Storm) -> None:
    """A head on another host is refused while one lives here, or may."""
    storm.living_head()
    storm.wait(2)
    if storm.head is None or not list(storm.campaign.folder.glob("lease/0*.json")):
        return
    if storm.rng.random() < 0.5:
        storm.kill(lambda head: head.kill())
    command = storm.campaign.command
    with command.start("tests.faults.elsewhere", "airr.evolve") as second:
        status = second.wait(timeout=60)
    storm.see_how_it_ended()
    if status != REFUSED and not storm.is_complete:
        storm.violations.append(f"a head on another host was not refused, but ended with {status}")


def set_the_clock(storm: Storm) -> None:
    """The wall clock of the head's host is set while it runs, and set right later."""
    if storm.living_head():
        storm.wait(4)
        storm.clock.set(storm.rng.choice(CLOCKS_HOURS))
        storm.wait(6)
        storm.clock.set(0)


def tear_the_journal(storm: Storm) -> None:
    """The last line of the journal did not get to the disk whole."""
    storm.living_head()
    storm.wait(5)
    storm.kill(lambda head: head.kill())
    journal = storm.campaign.folder / "journal.jsonl"
    if journal.exists():
        with journal.open("ab") as file:
            file.write(b'{"crc32":"0f3a91bc","record":{"kind":"ca')


def tear_the_ledger(storm: Storm) -> None:
    """A part of a table is cut to some length by a disk that lies."""
    storm.living_head()
    storm.wait(8)
    storm.kill(lambda head: head.kill())
    manifest = storm.campaign.folder / "ledger" / "manifest.json"
    if not manifest.exists():
        return
    tables = json.loads(manifest.read_text())["tables"]
    parts = [(name, part) for name, live in tables.items() for part in live]
    name, part = storm.rng.choice(parts)
    path = manifest.parent / name / part
    path.write_bytes(path.read_bytes()[: storm.rng.randrange(path.stat().st_size)])
    storm.torn.append(part)
    storm.is_complete = False  # the same command once more, which has to tell


def leave_litter(storm: Storm) -> None:
    """What an interrupted write leaves: files under temporary names, parts that nothing names."""
    storm.living_head()
    storm.wait(5)
    storm.kill(lambda head: head.kill())
    folder = storm.campaign.folder
    if not (folder / "campaign.yaml").exists():
        return  # nothing has begun that could have been interrupted
    for path in (
        folder / "ledger" / ".manifest.json.0123abcd",
        folder / "ledger" / "outcomes" / "part-00009999-abcdef.parquet",
        folder / "codebases" / ".e00-i000.zip.0123abcd",
        folder / "jobs" / "airr-litter" / ".batch.json.0123abcd",
        folder / "inbox" / "e00-i000.r0.a9.json",
    ):
        if path.parent.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(os.urandom(100))


FAULTS: Mapping[str, Callable[[Storm], None]] = {
    "head killed": kill_head,
    "head killed with its children": kill_family,
    "worker killed": kill_worker,
    "slurmctld killed": kill_controller,
    "slurmctld frozen": freeze_controller,
    "slurmdbd killed": kill_accounting,
    "node lost": crash_node,
    "job cancelled by hand": cancel_by_hand,
    "file system refuses": refuse,
    "file system slow": delay,
    "disk full": fill_the_disk,
    "two heads at once": start_two,
    "head on another host": come_from_elsewhere,
    "clock set": set_the_clock,
    "journal torn": tear_the_journal,
    "part of the ledger torn": tear_the_ledger,
    "litter of interrupted writes": leave_litter,
}
