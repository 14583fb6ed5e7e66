"""Runs a verb of airr and notes each point at which it touches the disk, or dies there.

    python -m tests.faults.tripwire RUNS TRACE POINT COUNT airr.evolve ARGUMENTS...

A point is a function of airr with what it is about to do below RUNS: `executor.submissions.plan:
mkdir jobs`. Python's audit events tell of it, before it is done, so that airr needs no hooks for
tests. At the COUNT-th time of POINT the process kills itself with SIGKILL; a POINT of "-" is none.
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = str(Path(__file__).resolve().parents[2] / "airr") + os.sep
ENTRIES = ("os.rename", "os.remove", "os.mkdir", "os.link", "os.utime", "os.truncate")
CARRIERS = ("workspace.", "headlog.")
"""Modules that write for others: the point is named after who asked them."""


class Tripwire:
    """The audit hook of one process."""

    def __init__(self, runs: Path, trace: Path, point: str, count: int) -> None:
        self.runs = f"{runs}{os.sep}"
        # kept open: to open it within the hook would call the hook
        self.trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.point = point
        self.count = count
        self.met: Counter[str] = Counter()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a touch, and die if this is the one."""
        if not (action := touch(event, arguments)):
            return
        what, path = action
        if not path.startswith(self.runs):
            return
        point = f"{asker(sys._getframe(1))}: {what} {kind_of(path.removeprefix(self.runs))}"
        self.met[point] += 1
        os.write(self.trace, f"{point}\n".encode())
        if point == self.point and self.met[point] == self.count:
            os.kill(os.getpid(), signal.SIGKILL)


def touch(event: str, arguments: tuple[Any, ...]) -> tuple[str, str] | None:
    """Return what an audit event does to which path, if it changes anything on disk."""
    if event in ENTRIES:
        # a rename and a link are named by where they lead
        path = arguments[1] if event in {"os.rename", "os.link"} else arguments[0]
        return event.removeprefix("os."), str(path)
    if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return None
    writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    return ("open", os.fsdecode(arguments[0])) if writes else None


def kind_of(path: str) -> str:
    """Return which part of a campaign a path belongs to; a temporary name is as good as its own."""
    part = [*Path(path).parts, "campaign"][1]
    return re.sub(r"^\.(.*)\.[0-9a-f]{8}$", r"\1", part)


def asker(frame: FrameType | None) -> str:
    """Return the innermost function of airr that is no mere carrier, as `module.function`."""
    carrier = "nobody"
    while frame:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            module = name.removeprefix(PACKAGE).removesuffix(".py").replace(os.sep, ".")
            carrier = f"{module}.{frame.f_code.co_name}"
            if not module.startswith(tuple(one.rstrip(".") for one in CARRIERS)):
                return carrier
        frame = frame.f_back
    return carrier


def main() -> None:
    runs, trace, point, count, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    sys.addaudithook(Tripwire(Path(runs), Path(trace), point, int(count)))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
