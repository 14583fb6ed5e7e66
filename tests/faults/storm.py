"""One campaign in the weather: its heads, one after the other, and what they may end with."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.clocks import Clock
from tests.faults.shaken import CALM, Shaken
from tests.faults.tripwire import Trap
from tests.slurm.cluster import VirtualCluster


@dataclass
class Storm:
    """One campaign in the weather, its present head, and what its heads may end with."""

    campaign: Shaken
    cluster: VirtualCluster
    clock: Clock
    rng: random.Random
    head: subprocess.Popen[bytes] | None = None
    is_trapped: bool = False
    violations: list[str] = field(default_factory=list)
    is_complete: bool = False
    may_lose_ideas: bool = False
    """Somebody cancelled a job by hand: that is the end of its idea."""
    torn: list[str] = field(default_factory=list)
    """Parts of the ledger that were damaged, which has to be told."""

    def living_head(self, trap: Trap = CALM) -> subprocess.Popen[bytes] | None:
        """Return a head of the campaign, a new one if none lives; None once it is complete."""
        self.see_how_it_ended()
        if self.head is None and not self.is_complete:
            self.head = self.campaign.start(trap)
            self.is_trapped = trap is not CALM
        return self.head

    def see_how_it_ended(self) -> None:
        """Take note of a head that has ended by itself, and of an end that it should not have."""
        if self.head is None or (status := self.head.poll()) is None:
            return
        self.head = None
        self.is_complete |= status == 0
        # what the file system refuses ends a head with a message, as it should
        if status not in ({0, 1, 2} if self.is_trapped else {0}):
            self.violations.append(f"a head ended with status {status}")

    def kill(self, how: Callable[[subprocess.Popen[bytes]], object]) -> None:
        """Kill the present head."""
        self.see_how_it_ended()
        if self.head is not None:
            how(self.head)
            self.head.wait()
            self.head = None

    def wait(self, longest: float) -> None:
        """Let some time go by, at most until the head has ended."""
        until = time.monotonic() + self.rng.uniform(0, longest)
        while time.monotonic() < until and self.head and self.head.poll() is None:
            time.sleep(0.05)

    @property
    def jobs(self) -> str:
        """Return the names of its job arrays, as Slurm's commands take them."""
        return ",".join(path.name for path in self.campaign.folder.glob("jobs/*"))
