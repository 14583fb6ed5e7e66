"""Where the campaigns of the soak run: a real Slurm, a small disk, a clock that may be set."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import toy
from tests.campaigns import WatchedTraining
from tests.faults.clocks import Clock
from tests.faults.shaken import Shaken
from tests.slurm.cluster import VirtualCluster
from tests.slurm.commands import COMMANDS, Commands
from tests.slurm.configuration import Shape, node_names
from tests.slurm.daemons import wait_until

HASTE = ["cluster=slurm", "cluster.tick_seconds=0.5", "cluster.lost_after_seconds=3"]
ROBUST = ["cluster.max_retries=30", "cluster.sandbox=none", "env.budget_seconds=60"]
SIZE = ["search.epochs=2", "search.ideas_per_epoch=5"]
DISK = "96m"


@dataclass(frozen=True)
class Ground:
    """Where the campaigns run."""

    cluster: VirtualCluster
    place: Path
    disk: Path
    env: Sequence[str]
    training: WatchedTraining
    commands: Commands
    clock: Clock

    def campaign(self, name: str, settings: Sequence[str]) -> Shaken:
        settings = [*self.env, *HASTE, *ROBUST, *SIZE, *settings, self.training.override()]
        more = {**self.cluster.environment, **self.clock.environment, "PATH": self.commands.path}
        return Shaken.of(self.place, name, settings, self.disk / "runs", more)

    def come_round(self) -> None:
        """See that all of the cluster is up again."""
        self.cluster.start_controller()
        self.cluster.start_accounting()
        for node in node_names(self.cluster.shape):
            self.cluster.start_node(node)
        names = ",".join(node_names(self.cluster.shape))
        wait_until("the nodes to be back", lambda: self._resumed(names), seconds=90)

    def _resumed(self, names: str) -> bool:
        self.cluster.run("scontrol", "update", f"NodeName={names}", "State=RESUME")
        shown = self.cluster.run("sinfo", "-h", "-N", "-p", "gpu", "-o", "%t").stdout.split()
        return {*shown} <= {"idle", "mix", "alloc"}


@contextmanager
def ground() -> Generator[Ground]:
    """Boot a cluster, and mount a small disk for the campaigns."""
    with ExitStack() as stack:
        cluster = VirtualCluster(Path(f"/tmp/airr-soak-{os.getpid()}"))
        stack.callback(cluster.down)
        cluster.up(Shape())
        place = Path(tempfile.mkdtemp(prefix="airr-soak-place-"))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs"]
        root = place / "disk"
        root.mkdir()
        subprocess.run([*mount, str(root)], check=True)
        stack.callback(subprocess.run, ["umount", "--lazy", str(root)], check=True)
        clock = Clock(place / "clock")
        clock.set(0)
        commands = Commands.wrapped(place / "bin")
        for name in COMMANDS:  # munge trusts nobody whose clock is off
            commands.put(name, 'unset LD_PRELOAD\nexec {real} "$@"')
        training = WatchedTraining(place / "trainings")
        env = [one for one in toy.make_campaign_env(place) if not one.startswith("root=")]
        env.append(f"root={root / 'runs'}")
        yield Ground(cluster, place, root, env, training, commands, clock)
