"""Runs a verb of airr, notes each point at which it touches the disk or the network, and strikes.

    python -m tests.faults.tripwire RUNS TRACE ACT POINT COUNT airr.evolve ARGUMENTS...

A point is a function of airr with what it is about to do below RUNS, or to whom it connects:
`executor.submissions.plan: mkdir jobs`. Python's audit events tell of it before it is done, so that
airr needs no hooks for tests; only writing to an open file and syncing it have none, and are met on
their way.

POINT is the name of one, `*` for any, `+` for any at which no process with this TRACE has struck
before, or `-` for none. `+MODULE` is as `+`, but only what functions of that module of airr ask
for, however many others are between; all of them are in the name of the point.

From the COUNT-th time on that a point is met, the process ACTs: `kill` is a SIGKILL, once, and of
what is written or removed one half gets through; ENOSPC, EIO and other names of errors are raised
in place of what was to be done, `ENOSPC!` but once; `slow` has it take half a second.
"""

from __future__ import annotations

import errno
import os
import re
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = str(Path(__file__).resolve().parents[2] / "airr") + os.sep
ENTRIES = ("os.rename", "os.remove", "os.mkdir", "os.link", "os.utime", "os.truncate")
CARRIERS = ("workspace", "headlog")
"""Modules that write for others: the point is named after who asked them."""
READS = {"read": "open", "list": "os.scandir"}
"""What changes nothing, so that to be killed there is to be killed before the next change."""
TREE = "rmtree"
"""A folder is removed: who asks for it mostly hears of no error, so that kills alone strike."""
SLOW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Trap:
    """Where a process is to be struck, and how."""

    act: str = "kill"
    point: str = "-"
    count: int = 1

    @property
    def module(self) -> str:
        """Return the module of airr that its points are named after, "" for whoever is at work."""
        return self.point[1:] if self.point.startswith("+") else ""

    @property
    def arguments(self) -> tuple[str, str, str]:
        """Return it as the command line has it."""
        return (self.act, self.point, str(self.count))


class Tripwire:
    """The audit hook of one process."""

    def __init__(self, runs: Path, trace: Path, trap: Trap) -> None:
        self.runs = f"{runs}{os.sep}"
        # kept open: to open them within the hook would call the hook
        self.trace = _appending(trace)
        struck = trace.with_suffix(".struck")
        self.struck = _appending(struck)
        self.known = {*struck.read_text().splitlines()}
        self.trap = trap
        self.met: Counter[str] = Counter()
        self.times = 0
        self.is_acting = False

    def lay(self) -> None:
        """Watch this process from here on."""
        os.write = self._on_the_way(os.write)
        os.fsync = self._on_the_way(os.fsync)
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if not self.is_acting and (action := touch(event, arguments)):
            what, path = action
            self.meet(what, path, (lambda: _remove_half(path)) if what == TREE else None)

    def _on_the_way(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of os that is met before it does anything to an open file."""

        def function(descriptor: int, *data: Any) -> Any:
            halved = (lambda: real(descriptor, data[0][: len(data[0]) // 2])) if data else None
            if not self.is_acting and not _asked_by_a_carrier():
                self.meet(real.__name__, _path_of(descriptor), halved)
            return real(descriptor, *data)

        return function

    def meet(self, what: str, path: str, in_part: Callable[[], object] | None = None) -> None:
        """Note a touch, and act if this is the one."""
        where = "a server" if what == "connect" else kind_of(path.removeprefix(self.runs))
        if what != "connect" and not path.startswith(self.runs):
            return
        if what in (READS if self.trap.act == "kill" else {TREE}):
            return
        self.is_acting = True
        try:
            point = f"{asker(sys._getframe(2), self.trap.module)}: {what} {where}"
            self.met[point] += 1
            os.write(self.trace, f"{point}\n".encode())
            if self._is_it(point):
                self._act(point, path, in_part)
        finally:
            self.is_acting = False

    def _is_it(self, point: str) -> bool:
        """Count a point that the trap may mean, and tell whether its time has come."""
        is_new = point not in self.known and point.startswith(self.trap.module)
        meant = {"*": True, "-": False, f"+{self.trap.module}": is_new}
        if not meant.get(self.trap.point, point == self.trap.point):
            return False
        self.times += 1
        return self.times >= self.trap.count

    def _act(self, point: str, path: str, in_part: Callable[[], object] | None) -> None:
        act = self.trap.act
        if point not in self.known:
            self.known.add(point)
            os.write(self.struck, f"{point}\n".encode())
        if act == "kill":
            if in_part:
                in_part()
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "slow":
            time.sleep(SLOW_SECONDS)
            return
        if act.endswith("!"):
            self.trap = Trap()
        number = getattr(errno, act.removesuffix("!"))
        raise OSError(number, os.strerror(number), path)


def _appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _path_of(descriptor: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


def touch(event: str, arguments: tuple[Any, ...]) -> tuple[str, str] | None:
    """Return what an audit event is about to do, and to which path or server."""
    if event in ENTRIES:
        # a rename and a link are named by where they lead
        path = arguments[1] if event in {"os.rename", "os.link"} else arguments[0]
        return event.removeprefix("os."), str(path)
    if event == f"shutil.{TREE}":
        return TREE, str(arguments[0])
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        return "connect", str(arguments[1])
    if event not in READS.values() or not isinstance(arguments[0], str | bytes | os.PathLike):
        return None
    path = os.fsdecode(arguments[0])
    if event != "open":
        return "list", path
    writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    return "open" if writes else "read", path


def _remove_half(folder: str) -> None:
    if Path(folder).is_dir():
        for path in sorted(Path(folder).iterdir())[::2]:
            path.unlink()


def kind_of(path: str) -> str:
    """Return which part of a campaign a path belongs to; a temporary name is as good as its own."""
    part = [*Path(path).parts, "campaign"][1]
    return re.sub(r"^\.(.*)\.[0-9a-f]{8}$", r"\1", part)


def asker(frame: FrameType | None, module: str = "") -> str:
    """Return the innermost function of airr that is no mere carrier, as `module.function`.

    Where functions of `module` are at work around it, they come first: `reinforcement.learn/
    _sampled/ledger._commit`.
    """
    functions = functions_of_airr(frame)
    outermost = functions[-1] if functions else "nobody"
    inner = next((one for one in functions if not _is_carrier(one)), outermost)
    around = [one for one in reversed(functions) if module and one.startswith(f"{module}.")]
    if not around:
        return inner
    names = [one.removeprefix(f"{module}.") for one in dict.fromkeys([*around, inner])]
    return f"{module}.{'/'.join(names)}"


def _is_carrier(function: str) -> bool:
    return function.partition(".")[0] in CARRIERS


def functions_of_airr(frame: FrameType | None) -> list[str]:
    """Return the functions of airr that are being executed, the innermost first."""
    found: list[str] = []
    while frame:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            module = name.removeprefix(PACKAGE).removesuffix(".py").replace(os.sep, ".")
            found.append(f"{module}.{frame.f_code.co_name}")
        frame = frame.f_back
    return found


def _asked_by_a_carrier() -> bool:
    """Tell whether a carrier syncs a file, which it is about to rename: that is point enough."""
    functions = functions_of_airr(sys._getframe(2))
    return not functions or _is_carrier(functions[0])


def main() -> None:
    runs, trace, act, point, count, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    Tripwire(Path(runs), Path(trace), Trap(act, point, int(count))).lay()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
