"""One head at a time: a campaign belongs to whoever made the highest-numbered lease.

    lease/00000003.json    host and process of its holder; its time stamp is the holder's pulse

A lease is made by `link`, which fails if the number is taken, on NFS and Lustre too. It may be
taken over once its holder is known to be dead: at once on the same host, elsewhere when its
pulse has been still for `STALE_SECONDS`. A holder that was taken over finds out before it
writes: every commit to the ledger checks the lease first.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import uuid
from pathlib import Path

from airr.errors import WorkspaceError
from airr.workspace import names_in, write_atomically

PULSE_SECONDS = 15.0
STALE_SECONDS = 120.0


class Lease:
    """The right to write one campaign, held from `acquire` until the process ends."""

    def __init__(self, path: Path) -> None:
        """Hold the lease that stands at `path`; `acquire` makes it."""
        self.path = path

    @classmethod
    def acquire(cls, folder: Path) -> Lease:
        """Take the campaign whose lease folder this is.

        Raises:
            WorkspaceError: another head holds it and is, or may be, alive.
        """
        names = names_in(folder)
        if holder := holder_of(folder):
            raise WorkspaceError(
                f"campaign {folder.parent} is being run by {holder}: wait for it, end it, "
                "or choose another campaign=NAME"
            )
        number = int(names[-1].partition(".")[0]) + 1 if names else 1
        lease = cls(folder / f"{number:08d}.json")
        lease._make()
        for name in names:
            (folder / name).unlink(missing_ok=True)
        return lease

    def check(self) -> None:
        """Raise WorkspaceError if another head has taken the campaign over."""
        names = names_in(self.path.parent)
        if not names or names[-1] != self.path.name:
            raise WorkspaceError(
                f"another head has taken over {self.path.parent.parent}: this one writes no more"
            )

    def release(self) -> None:
        """Let the next head in at once."""
        self.path.unlink(missing_ok=True)

    async def keep(self) -> None:
        """Keep the pulse going until cancelled."""
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            self.check()
            os.utime(self.path)

    def _make(self) -> None:
        holder = {"host": platform.node(), "pid": os.getpid(), "started": _started(os.getpid())}
        beside = self.path.with_name(f".{uuid.uuid4().hex[:8]}")
        write_atomically(beside, json.dumps(holder).encode())
        try:
            os.link(beside, self.path)
        except FileExistsError as error:
            raise WorkspaceError(
                f"another head took {self.path.parent.parent} at this very moment"
            ) from error
        finally:
            beside.unlink()


def holder_of(folder: Path) -> str | None:
    """Return in words who holds a campaign and is, or may be, alive; None if nobody does."""
    names = names_in(folder)
    return _living_holder(folder / names[-1]) if names else None


def _living_holder(path: Path) -> str | None:
    try:
        silent, text = _seconds_since_pulse(path), path.read_bytes()
    except FileNotFoundError:
        return None  # released at this moment
    try:
        holder = json.loads(text)
        host, pid, started = str(holder["host"]), int(holder["pid"]), holder["started"]
    except (ValueError, KeyError, TypeError):
        return None if silent > STALE_SECONDS else f"a head of which {path.name} tells nothing"
    if host == platform.node():
        return f"process {pid} on this machine" if _started(pid) == started else None
    if silent > STALE_SECONDS:
        return None
    return f"process {pid} on {host}, last seen {silent:.0f} s ago"


def _seconds_since_pulse(path: Path) -> float:
    """Return the age of a file by the file server's clock, which may differ from ours."""
    probe = path.with_name(f".{uuid.uuid4().hex[:8]}")
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink()
    return now - path.stat().st_mtime


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"
