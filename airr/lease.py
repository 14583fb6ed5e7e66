"""One head at a time: a campaign belongs to whoever made the highest-numbered lease.

    lease/00000003.json    host, process and Slurm job of its holder; its time stamp is the pulse

A lease is made by `link`, which fails if the number is taken, on NFS and Lustre too. It may be
taken over once its holder is known to be dead: at once on the same host, elsewhere when its
pulse has been still for `STALE_SECONDS`. A holder that was taken over finds out before it
writes: every commit to the ledger checks the lease first.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import platform
import re
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from airr.errors import Occupied, WorkspaceError
from airr.foreign import json_in, record_of
from airr.workspace import names_in, write_atomically

PULSE_SECONDS = 15.0
STALE_SECONDS = 120.0
NAME = re.compile(r"\d{8,12}\.json")
HEAD_JOBS = "airr-"
"""How the name of a Slurm job begins that runs a head, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a campaign and is, or may be, alive. `job` names a Slurm job; "" is none.

    A `host` of "" stands for a lease that tells nothing, and `lease` is where it stands.
    """

    host: str = ""
    lease: str = ""
    pid: int = 0
    job: str = ""
    silent_seconds: float = 0.0

    @property
    def is_here(self) -> bool:
        """Tell whether it runs on this machine."""
        return self.host == platform.node()

    def __str__(self) -> str:
        """Return in words who it is."""
        if not self.host:
            seen = f"last seen {self.silent_seconds:.0f} s ago"
            return (
                f"a head whose lease {self.lease} is damaged, {seen} (where none runs, it is taken "
                f"over after {STALE_SECONDS:.0f} s)"
            )
        job = f" (Slurm job {self.job})" if self.job else ""
        if self.is_here:
            return f"process {self.pid} on this machine{job}"
        return f"process {self.pid} on {self.host}{job}, last seen {self.silent_seconds:.0f} s ago"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What stands in a lease. `started` tells its process from later ones of the same number."""

    host: str
    pid: int
    started: str | None
    job: str = ""


class Lease:
    """The right to write one campaign, held from `acquire` until the process ends."""

    def __init__(self, path: Path) -> None:
        """Hold the lease that stands at `path`; `acquire` makes it."""
        self.path = path

    @classmethod
    def acquire(cls, folder: Path) -> Lease:
        """Take the campaign whose lease folder this is.

        Raises:
            Occupied: another head holds it and is, or may be, alive.
        """
        names = _leases_in(folder)
        if holder := holder_of(folder):
            raise Occupied(
                f"campaign {folder.parent} is being run by {holder}: wait for it, end it, "
                "or choose another campaign=NAME"
            )
        number = int(names[-1].partition(".")[0]) + 1 if names else 1
        lease = cls(folder / f"{number:08d}.json")
        lease._make()
        if lease._has_rival():
            lease.release()
            raise lease._too_late()
        for name in names:
            (folder / name).unlink(missing_ok=True)
        return lease

    def check(self) -> None:
        """Raise WorkspaceError if another head has taken the campaign over."""
        names = _leases_in(self.path.parent)
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
        pid = os.getpid()
        name = os.environ.get("SLURM_JOB_NAME", "")
        holder = _Written(
            host=platform.node(),
            pid=pid,
            started=_started(pid),
            job=name if name.startswith(HEAD_JOBS) else "",
        )
        beside = self.path.with_name(f".{uuid.uuid4().hex[:8]}")
        write_atomically(beside, json.dumps(asdict(holder)).encode())
        try:
            os.link(beside, self.path)
        except FileExistsError as error:
            raise self._too_late() from error
        finally:
            beside.unlink()

    def _has_rival(self) -> bool:
        """Tell whether somebody made a lease of another number since we looked.

        That takes a third one that was let go just then. Whoever comes last sees it.
        """
        others = [name for name in _leases_in(self.path.parent) if name != self.path.name]
        return any(_living_holder(self.path.with_name(name)) for name in others)

    def _too_late(self) -> Occupied:
        return Occupied(f"another head took {self.path.parent.parent} at this very moment")


def holder_of(folder: Path) -> Holder | None:
    """Return who holds a campaign and is, or may be, alive; None if nobody does."""
    names = _leases_in(folder)
    return _living_holder(folder / names[-1]) if names else None


def _leases_in(folder: Path) -> list[str]:
    """Return the names of the leases, the latest last; other files are none of ours."""
    return [name for name in names_in(folder) if NAME.fullmatch(name)]


def remove_lease_of(holder: Holder, folder: Path) -> None:
    """Let the next head in, although this one left without a word; it is known to have ended."""
    names = _leases_in(folder)
    present = holder_of(folder)
    if names and present and (present.host, present.pid) == (holder.host, holder.pid):
        (folder / names[-1]).unlink(missing_ok=True)


def _living_holder(path: Path) -> Holder | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None  # released at this moment
    try:
        written = record_of(_Written, json_in(text))
    except ValueError:
        written = _Written(host="", pid=0, started=None)
    lease = "" if written.host else str(path)
    holder = Holder(host=written.host, pid=written.pid, job=written.job, lease=lease)
    if holder.is_here:
        return holder if _started(holder.pid) == written.started else None
    try:
        silent = _seconds_since_pulse(path)
    except FileNotFoundError:
        return None
    return None if silent > STALE_SECONDS else replace(holder, silent_seconds=silent)


def _seconds_since_pulse(path: Path) -> float:
    """Return the age of a file by the file server's clock, which may differ from ours.

    Whoever may only look has his own clock to go by. One that was set back makes nothing younger.
    """
    probe = path.with_name(f".{uuid.uuid4().hex[:8]}")
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    except PermissionError:
        now = time.time()
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        now = time.time()
    return max(0.0, now - path.stat().st_mtime)


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"
