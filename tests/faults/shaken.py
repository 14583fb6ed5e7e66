"""A campaign under faults: started under a tripwire, again and again, and looked at afterwards."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.campaigns import Command
from tests.faults.tripwire import Trap
from tests.faults.warm import Tracked, Warm

CALM = Trap()
MOST_HEADS = 80
"""There are no more points than these: a campaign that takes more heads does not get on."""


@dataclass(frozen=True)
class Shaken:
    """One campaign and the command that goes on with it; what its heads met stands in its trace."""

    command: Command
    folder: Path
    trace: Path

    @classmethod
    def of(
        cls,
        place: Path,
        name: str,
        settings: Sequence[str],
        root: Path | None = None,
        environment: Mapping[str, str] | None = None,
        verb: str = "evolve",
    ) -> Shaken:
        """Have a campaign of these settings below `root`, which is place/runs if none is named.

        Its heads have the variables of `environment` besides ours.
        """
        log = place / f"{name}.log"
        command = Command([*settings, f"campaign={name}"], log, environment or {}, verb)
        return cls(command, (root or place / "runs") / name, place / f"{name}.trace")

    @property
    def said(self) -> str:
        """Return all that its heads have said."""
        return self.command.log.read_text()

    def start(self, trap: Trap = CALM) -> subprocess.Popen[bytes]:
        place = (str(self.folder.parent), str(self.trace))
        verb = f"airr.{self.command.verb}"
        return self.command.start("tests.faults.tripwire", *place, *trap.arguments, verb)

    def start_warm(self, trap: Trap = CALM) -> Warm:
        """Start a head in no time, as a process that has imported airr already."""
        command, tracked = self.command, Tracked(self.folder.parent, self.trace, trap)
        verb = f"airr.{command.verb}"
        return Warm(verb, command.overrides, command.log, command.environment, tracked)

    def run(self, trap: Trap = CALM, seconds: float = 120) -> int:
        """Run one head to its end, and return its exit status."""
        with self.start_warm(trap) as head:
            return head.wait(timeout=seconds)

    def die_at_every_point(self, seconds: float = 120, module: str = "") -> list[str]:
        """Be killed once at each point that is met, one after the other, until none is new.

        With a module of airr, at those that its functions ask for. Return the points, in that
        order.
        """
        for _ in range(MOST_HEADS):
            if (ended := self.run(Trap(point=f"+{module}"), seconds)) >= 0:
                assert ended == 0, self.said[-3000:]
                return self.struck()
        raise AssertionError(f"{MOST_HEADS} heads were killed, and there is no end of it")

    def struck(self) -> list[str]:
        """Return the points at which one of its heads was struck, in that order."""
        path = self.trace.with_suffix(".struck")
        return path.read_text().splitlines() if path.exists() else []

    def met(self) -> set[str]:
        """Return the points that its heads have met."""
        return {*self.trace.read_text().splitlines()}

    def assert_nothing_is_left_running(self) -> None:
        """No process of this campaign is left, or is not about to end."""
        deadline = time.monotonic() + 10
        while left := processes_of(self.folder):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)


def processes_of(folder: Path) -> list[list[str]]:
    """Return the command lines of the processes that have to do with a campaign's folder."""
    found: list[list[str]] = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if any(str(folder) in word for word in line):
            found.append(line)
    return found
