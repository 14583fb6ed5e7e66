"""Processes of a virtual cluster: start, stop, freeze and find them, never by a broad name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


class ClusterBroken(RuntimeError):
    """A daemon did not come up, or the cluster did not reach a state in time."""


def wait_until(what: str, check: Callable[[], object], *, seconds: float = 30) -> None:
    """Return as soon as `check` holds; raise `ClusterBroken` if it does not in time."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise ClusterBroken(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon that writes a pid file; `program` guards against a pid that was given anew."""

    name: str
    program: str
    argv: tuple[str, ...]
    pid_file: Path
    log: Path
    environment: Mapping[str, str]

    def process(self) -> psutil.Process | None:
        """Return the live process, or None."""
        try:
            process = psutil.Process(int(self.pid_file.read_text()))
            ours = process.name() == self.program
        except (OSError, ValueError, psutil.Error):
            return None
        return process if ours and _runs(process) else None

    def start(self) -> None:
        """Start it, unless it runs already; its program puts itself in the background."""
        if self.process():
            return
        self.pid_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            subprocess.run(
                self.argv,
                env=os.environ | dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                timeout=30,
            )
        wait_until(f"{self.name} to start; see {self.log}", lambda: self.process() is not None)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, if it lives."""
        if process := self.process():
            process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would: nothing is flushed, nobody is told."""
        if process := self.process():
            kill([process])


def kill(processes: list[psutil.Process]) -> None:
    """Kill all of them at one instant: frozen first, so that none sees another die."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
    wait_until("killed processes to be gone", lambda: not any(map(_runs, processes)))


def _runs(process: psutil.Process) -> bool:
    """Tell whether it is there and no zombie; nobody may be there to reap an orphan."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def job_processes(root: Path, slurm_conf: Path, node: str = "") -> list[psutil.Process]:
    """Return the slurmstepd and job processes of a cluster, or of one of its nodes."""
    marks = (f"{root}/spool/{node}/", f"{root}/log/slurmd-{node}.log/") if node else (f"{root}/",)
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if _is_step(process, marks) or _is_job(process, slurm_conf, node):
                family = [process, *process.children(recursive=True)]
                found |= {member.pid: member for member in family}
        except (psutil.Error, OSError):
            continue
    return list(found.values())


def _is_step(process: psutil.Process, marks: tuple[str, ...]) -> bool:
    """Tell a slurmstepd of ours by its working folder and the files that it holds open."""
    return process.name().startswith("slurmstepd") and any(
        f"{name}/".startswith(marks) for name in (process.cwd(), *_open_names(process))
    )


def _open_names(process: psutil.Process) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            yield str(descriptor.readlink())


def _is_job(process: psutil.Process, slurm_conf: Path, node: str) -> bool:
    environment = process.environ()
    return (
        environment.get("SLURM_CONF") == str(slurm_conf)
        and "SLURM_JOB_ID" in environment
        and (not node or environment.get("SLURMD_NODENAME") == node)
    )
