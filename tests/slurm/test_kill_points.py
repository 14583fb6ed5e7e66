"""SIGKILL of the head wherever it touches disk or Slurm: nothing is lost, and nothing doubled.

A point is where a function of airr is about to change something on disk, which is found out by
running it (tests/faults/tripwire.py): each head dies at the first one at which none before it has
died. Or it is where one of Slurm's commands has been asked, or has answered and not yet been heard.
Jobs, and the child that talks to Slurm, outlive their head.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import WatchedTraining, assert_nothing_is_double, what_came_of_it
from tests.faults.reading import read_all_along
from tests.faults.shaken import Shaken
from tests.slurm.cluster import VirtualCluster
from tests.slurm.commands import Commands
from tests.slurm.daemons import wait_until

pytestmark = pytest.mark.long
HASTE = ["llm=offline", "cluster=slurm", "cluster.tick_seconds=0.5", "cluster.lost_after_seconds=3"]
SEARCH = ["search.epochs=2", "search.ideas_per_epoch=4", "cluster.sandbox=none"]

COMMANDS = {
    "first": (
        ("sbatch has answered", 1),
        ("sbatch is asked", 1),
        ("squeue is asked", 1),
        ("squeue has answered", 2),
    ),
    "second": (
        ("scontrol is asked", 1),
        ("scontrol has answered", 1),
        ("sbatch has answered", 2),
        ("sbatch is asked", 2),
    ),
}
"""In which of its calls from then on a command takes its head with it, one after the other."""

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

    def campaign(self, name: str) -> OnSlurm:
        commands = Commands.wrapped(self.place / f"{name}-bin")
        environment = {**self.cluster.environment, "PATH": commands.path}
        return OnSlurm(
            self, Shaken.of(self.place, name, self.settings, environment=environment), commands
        )


@dataclass(frozen=True)
class OnSlurm:
    """One campaign, to be killed where it hurts."""

    ground: Ground
    campaign: Shaken
    commands: Commands

    def die_in(self, point: Point) -> None:
        """Start the head, and see it killed in a call of a command."""
        match = COMMAND.fullmatch(point[0])
        assert match
        self._trap(match["name"], point[1], answered=match["when"] == "has answered")
        with self.campaign.start() as head:
            (self.commands.folder / "head").write_text(str(head.pid))
            ended = head.wait(timeout=PATIENCE)
        self.commands.restore()
        said = self.campaign.said[-3000:]
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
        folder, calm = self.campaign.folder, self.campaign.folder.with_name("calm")
        assert what_came_of_it(folder) == what_came_of_it(calm)
        assert_nothing_is_double(folder)
        tables = load(folder)
        assert (tables.runs.state == "completed").all()
        assert {*tables.runs.id} == {*load(calm).runs.id}, "no attempt more than without the kill"
        self.ground.training.assert_each_ran_once(folder, set(tables.runs.id))
        wait_until("an empty queue", lambda: not self._queue())

    def _queue(self) -> str:
        names = ",".join(path.name for path in (self.campaign.folder / "jobs").iterdir())
        return self.ground.cluster.run("squeue", "--noheader", f"--name={names}").stdout


@pytest.fixture(scope="module")
def ground(cluster: VirtualCluster, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    place = tmp_path_factory.mktemp("points")
    training = WatchedTraining(place / "trainings")
    settings = [*toy.make_campaign_env(place), *SEARCH, *HASTE, training.override()]
    ground = Ground(cluster, place, settings, training)
    calm = ground.campaign("calm")
    assert calm.campaign.run(seconds=PATIENCE) == 0, calm.campaign.said[-3000:]
    calm.assert_as_if_undisturbed()
    return ground


@pytest.mark.timeout(4 * PATIENCE)
def test_a_head_killed_at_every_point_at_which_it_changes_something_neither_loses_nor_doubles(
    ground: Ground,
):
    shaken = ground.campaign("points")
    with read_all_along(shaken.campaign.folder) as reader:
        points = {*shaken.campaign.die_at_every_point(seconds=PATIENCE)}
    pulse = {"lease.keep: utime lease"}  # every 15 s, which a campaign may take or not
    assert ground.campaign("calm").campaign.met() - pulse <= points
    assert len(points) >= 30
    assert reader.complaints == []
    shaken.assert_as_if_undisturbed()


@pytest.mark.timeout(3 * PATIENCE)
@pytest.mark.parametrize("chain", COMMANDS)
def test_a_head_killed_while_slurm_is_asked_or_answers_neither_loses_nor_doubles(
    ground: Ground, chain: str
):
    shaken = ground.campaign(chain)
    for point in COMMANDS[chain]:
        shaken.die_in(point)
    assert shaken.campaign.run(seconds=PATIENCE) == 0, shaken.campaign.said[-3000:]
    shaken.assert_as_if_undisturbed()
