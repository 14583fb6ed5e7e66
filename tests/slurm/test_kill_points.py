"""SIGKILL of the head wherever it touches disk or Slurm: nothing is lost, and nothing doubled.

A point is where a function of airr is about to change something on disk (tests/faults/tripwire.py
finds it out), or where one of Slurm's commands has been asked, or has answered and not yet been
heard. Jobs, and the child that talks to Slurm, outlive their head.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import (
    Command,
    WatchedTraining,
    assert_nothing_is_double,
    what_came_of_it,
)
from tests.slurm.cluster import VirtualCluster
from tests.slurm.commands import Commands
from tests.slurm.daemons import wait_until

pytestmark = pytest.mark.long
HASTE = ["llm=offline", "cluster=slurm", "cluster.tick_seconds=0.5", "cluster.lost_after_seconds=3"]
SEARCH = ["search.epochs=2", "search.ideas_per_epoch=4", "cluster.sandbox=none"]

FIRST = (
    ("executor.submissions.plan: rename jobs", 1),
    ("sbatch has answered", 1),
    ("ledger._commit: rename ledger", 1),
    ("executor.submissions.plan: mkdir jobs", 1),
    ("sbatch is asked", 1),
    ("executor.inbox.file_away: rename jobs", 1),
)
OTHERS = {
    "start": (
        ("head.take_the_head: mkdir campaign", 1),
        ("head.take_the_head: mkdir codebases", 1),
        ("head.take_the_head: mkdir jobs", 1),
        ("head.take_the_head: mkdir inbox", 1),
        ("head.take_the_head: mkdir lease", 1),
        ("head.take_the_head: mkdir ledger", 1),
        ("lease._make: open lease", 1),
        ("lease._make: rename lease", 1),
    ),
    "opening": (
        ("lease._make: link lease", 1),
        ("lease._make: remove lease", 1),
        ("charter.open_charter: open campaign.yaml", 1),
        ("charter.open_charter: rename campaign.yaml", 1),
        ("head.take_the_head: open airr.log", 1),
        ("ledger.__init__: mkdir ledger", 3),
        ("llm.lines.__init__: open journal.jsonl", 1),
    ),
    "submission": (
        ("scontrol is asked", 1),
        ("scontrol has answered", 1),
        ("executor.submissions.plan: open jobs", 1),
        ("sbatch has answered", 2),
        ("sbatch is asked", 2),
        ("executor.submissions.plan: mkdir jobs", 2),
    ),
    "collection": (
        ("squeue is asked", 1),
        ("ledger._write_part: rename ledger", 1),
        ("squeue has answered", 2),
        ("ledger._commit: open ledger", 2),
        ("executor.inbox.file_away: rename jobs", 2),
        ("ledger._write_part: open ledger", 1),
    ),
    "codebase": (
        ("executor.executor._pack: open codebases", 2),
        ("executor.executor._pack: rename codebases", 2),
        ("ledger._write_part: rename ledger", 3),
        ("ledger._commit: rename ledger", 2),
        ("lease.release: remove lease", 1),
    ),
}
"""Chains of points, and at which time that each is met a head is killed.

They follow each other in one campaign, which is in the middle of something at each of them.
"""

PATIENCE = 240
"""Seconds for what takes ten where nothing else runs: a busy machine is no failure."""

Point = tuple[str, int]
COMMAND = re.compile(r"(?P<name>\w+) (?P<when>is asked|has answered)")


@dataclass(frozen=True)
class Ground:
    """Where campaigns of one environment run on the cluster, and how a calm one of them went."""

    cluster: VirtualCluster
    place: Path
    settings: Sequence[str]
    training: WatchedTraining

    def campaign(self, name: str) -> Shaken:
        commands = Commands.wrapped(self.place / f"{name}-bin")
        environment = {**self.cluster.environment, "PATH": commands.path}
        log = self.place / f"{name}.log"
        command = Command([*self.settings, f"campaign={name}"], log, environment)
        return Shaken(self, name, command, commands)

    @property
    def runs(self) -> Path:
        return self.place / "runs"

    def trace_of(self, name: str) -> Path:
        return self.place / f"{name}.trace"

    def met_by(self, name: str) -> set[str]:
        return set(self.trace_of(name).read_text().splitlines())


@dataclass(frozen=True)
class Shaken:
    """One campaign, to be killed where it hurts."""

    ground: Ground
    name: str
    command: Command
    commands: Commands

    def start(self, point: Point) -> subprocess.Popen[bytes]:
        return self.command.start(
            "tests.faults.tripwire",
            str(self.ground.runs),
            str(self.ground.trace_of(self.name)),
            *(point[0], str(point[1]), "airr.evolve"),
        )

    def outlive(self, chain: Sequence[Point]) -> None:
        """Be killed at each point in turn, and come to the same as one that was not."""
        for point in chain:
            self.die_at(point)
        self.command.finish()
        self.assert_as_if_undisturbed()

    def die_at(self, point: Point) -> None:
        """Start the head, and see it killed at a point."""
        what, count = point
        if match := COMMAND.fullmatch(what):
            self._trap(match["name"], count, answered=match["when"] == "has answered")
        with self.start(point) as head:
            (self.commands.folder / "head").write_text(str(head.pid))
            ended = head.wait(timeout=PATIENCE)
        self.commands.restore()
        said = self.command.log.read_text()[-3000:]
        assert ended == -signal.SIGKILL, f"it ended with {ended} and never met {point}:\n{said}"

    def _trap(self, name: str, count: int, *, answered: bool) -> None:
        """Kill the head in a command's `count`-th call from now on."""
        folder = shlex.quote(str(self.commands.folder))
        before = len([one for one in self.commands.calls() if one == name])
        kill = f"kill -9 $(cat {folder}/head)"
        act = f'said=$({{real}} "$@"); {kill}; echo "$said"; exit' if answered else kill
        self.commands.put(
            name,
            f'calls=$(grep -c " {name}$" {folder}/calls)\n'
            f"if test $calls = {before + count}; then {act}; fi\n"
            'exec {real} "$@"',
        )

    def assert_as_if_undisturbed(self) -> None:
        """Nothing was lost, doubled, run twice, or left in the queue."""
        folder = self.ground.runs / self.name
        assert what_came_of_it(folder) == what_came_of_it(self.ground.runs / "calm")
        assert_nothing_is_double(folder)
        tables = load(folder)
        assert (tables.runs.state == "completed").all()
        calm = load(self.ground.runs / "calm").runs
        assert set(tables.runs.id) == set(calm.id), "no attempt more than without the kill"
        self.ground.training.assert_each_ran_once(folder, set(tables.runs.id))
        wait_until("an empty queue", lambda: not self._queue())

    def _queue(self) -> str:
        names = ",".join(path.name for path in (self.ground.runs / self.name / "jobs").iterdir())
        return self.ground.cluster.run("squeue", "--noheader", f"--name={names}").stdout


@pytest.fixture(scope="module")
def ground(cluster: VirtualCluster, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    place = tmp_path_factory.mktemp("points")
    training = WatchedTraining(place / "trainings")
    settings = [*toy.make_campaign_env(place), *SEARCH, *HASTE, training.override()]
    ground = Ground(cluster, place, settings, training)
    calm = ground.campaign("calm")
    with calm.start(("-", 0)) as head:
        assert head.wait(timeout=PATIENCE) == 0, calm.command.log.read_text()[-3000:]
    calm.assert_as_if_undisturbed()
    return ground


def test_every_point_at_which_a_head_changes_something_on_disk_is_one_to_be_killed_at(
    ground: Ground,
):
    points = {point for chain in (FIRST, *OTHERS.values()) for point, _ in chain}
    asked = {point for point in points if COMMAND.fullmatch(point)}
    pulse = {"lease.keep: utime lease"}  # every 15 s, which a campaign may take or not
    assert ground.met_by("calm") - pulse == points - asked
    assert len(points) >= 20


@pytest.mark.timeout(2 * PATIENCE)
def test_a_head_killed_at_six_points_in_a_row_neither_loses_nor_doubles_anything(ground: Ground):
    ground.campaign("first").outlive(FIRST)


@pytest.mark.timeout(3 * PATIENCE)
@pytest.mark.parametrize("chain", OTHERS)
def test_a_head_killed_at_every_other_point_neither_loses_nor_doubles_anything(
    ground: Ground, chain: str
):
    ground.campaign(chain).outlive(OTHERS[chain])
