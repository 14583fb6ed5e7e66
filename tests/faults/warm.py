"""Verbs of airr in processes that need not import it first: forked from one that has.

Each is a process of its own, which may be killed like any other; only its start is cheap.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import TimeoutExpired
from types import TracebackType
from typing import Self

from tests.faults.tripwire import Trap, Tripwire

HEAVY = [
    "airr.composition",
    "airr.display.live",
    "airr.start",
    "airr.turn",
    "airr.reporting.looking",
    "airr.reporting.reading",
    "anthropic",
    "openai",
]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(HEAVY)


@dataclass(frozen=True, slots=True)
class Tracked:
    """Under which tripwire a process runs: campaigns below `runs`, its trace, and the trap."""

    runs: Path
    trace: Path
    trap: Trap


class Warm:
    """One process, as subprocess.Popen has them."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        tracked: Tracked | None = None,
    ) -> None:
        """Run a module with these arguments; what it says is added to `log`."""
        told = (module, [*arguments], log, {**os.environ, **environment, "COLUMNS": "120"}, tracked)
        self._process: ForkServerProcess = _context.Process(target=_run, args=told)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status, once it has one."""
        self._process.join(timeout)
        if (status := self.poll()) is None:
            raise TimeoutExpired("a warm process", timeout or 0)
        return status

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error:
            self.kill()
        self._process.join()


def _run(
    module: str,
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    tracked: Tracked | None,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    sys.stdout, sys.stderr = (
        open(descriptor, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
        for descriptor in (1, 2)
    )
    sys.argv = [module, *arguments]
    if tracked:
        Tripwire(tracked.runs, tracked.trace, tracked.trap).lay()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
