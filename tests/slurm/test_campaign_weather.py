"""Weather over whole campaigns on a real Slurm: each fault ends in the right state of the ledger.

tests/slurm/test_weather.py has what single arrays go through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from airr.batch import Batch
from airr.ledger import load
from airr.worker.step import LATE_SECONDS
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
from tests.slurm.people import airr

pytestmark = pytest.mark.long

HASTE = ["llm=offline", "cluster=slurm", "cluster.tick_seconds=0.5", "cluster.lost_after_seconds=3"]
WHOLE_NODE = ["env.cpus=16", "env.gpus=8", "cluster.sandbox=none", "env.budget_seconds=300"]

HOLDERS = ("one", "two", "three", "four", "five")
"""Ideas that hold a node at their first attempt, until something befalls them."""
FATES = ("node_fail", "preempted", "timeout", "cancelled")
"""What befalls the first four of them, by the word of the ledger; the fifth finds no node."""


@dataclass(frozen=True)
class Holding:
    """Trainings that say on which idea they are, and hold their nodes at the first attempt."""

    cluster: VirtualCluster
    folder: Path

    def override(self) -> str:
        """Return the setting for such trainings; one idea is out of memory, as a kernel sees it."""
        self.folder.mkdir()
        script = self.folder / "train.sh"
        script.write_text(f"""\
idea=$(sed -n 's/^IDEA = "\\(.*\\)"/\\1/p' recipe.py)
echo "$(basename "$(dirname "$AIRR_OUT")")" >> {self.folder}/${{idea:-none}}
case $idea in
  oom) kill -9 $$ ;;
  fine) ;;
  ?*) test "$(wc -l < {self.folder}/$idea)" -gt 1 || sleep 250 ;;
esac
exec "$1" train.py
""")
        return f"env.train.argv=[/bin/sh,'{script}','{{python}}']"

    def begun(self) -> list[str]:
        """Return which holders have begun."""
        return [idea for idea in HOLDERS if (self.folder / idea).exists()]

    def task(self, idea: str) -> str:
        """Return the Slurm id of the task that trains an idea."""
        batch, _, index = (self.folder / idea).read_text().split()[0].rpartition("-")
        return f"{self._squeue(f'--name={batch}', '%F').split()[0]}_{index}"

    def node(self, idea: str) -> str:
        return self._squeue(f"--jobs={self.task(idea)}", "%N")

    def _squeue(self, which: str, fields: str) -> str:
        return self.cluster.run("squeue", "--noheader", which, f"--format={fields}").stdout.strip()


def catalogue() -> dict[str, toy.Entry]:
    """Return ideas with values of their own."""
    return {
        idea: ("VALUE = 2.0", f'VALUE = {1 + number / 10}\nIDEA = "{idea}"', {})
        for number, idea in enumerate((*HOLDERS, "oom", "fine"))
    }


def ids_of(campaign: Path) -> dict[str, str]:
    """Return the ids of the ideas by what the catalogue calls them."""
    ideas = load(campaign).ideas
    return {
        name: str(ideas[ideas.text.str.contains(f"Put {name} in")].id.item())
        for name in catalogue()
    }


def attempts(campaign: Path, idea: str) -> pd.DataFrame:
    runs = load(campaign).runs
    return runs[runs.idea_id == idea].sort_values("attempt")


@pytest.mark.timeout(280)
def test_faults_that_befall_one_idea_each_end_as_what_they_are(
    cluster: VirtualCluster, tmp_path: Path
):
    """slurmdbd is away all the while; a dead node, a preemption and a limit are not final."""
    holding = Holding(cluster, tmp_path / "holding")
    settings = [
        *toy.make_campaign_env(tmp_path, catalogue()),
        *(*HASTE, *WHOLE_NODE, holding.override(), "cluster.partition=preempt"),
        *("search.epochs=1", f"search.ideas_per_epoch={len(catalogue())}", "campaign=stormy"),
    ]
    campaign = tmp_path / "runs" / "stormy"
    command = Command(settings, tmp_path / "log.txt", cluster.environment)
    cluster.daemon("slurmdbd").kill()
    with command.running() as head:
        try:
            dead, met = strike(cluster, holding, campaign)
            assert head.wait(timeout=200) == 0, command.log.read_text()[-3000:]
        finally:
            cluster.start_accounting()
            for number in range(1, 5):
                cluster.start_node(f"node{number}")
    assert_nothing_is_double(campaign)
    outcomes, ids = load(campaign).outcomes.set_index("idea_id"), ids_of(campaign)
    for fate in ("node_fail", "preempted", "timeout"):
        assert [*attempts(campaign, met[fate]).state] == [fate, "completed"]
        assert outcomes.status[met[fate]] == "scored"
    first, second = attempts(campaign, met["node_fail"]).node
    assert first == dead
    assert second != dead
    for fate, stage in (("cancelled", "train"), ("queued", "queue")):
        assert [*attempts(campaign, met[fate]).state] == ["cancelled"]
        assert [*outcomes.loc[met[fate]][["stage", "reason"]]] == [stage, "cancelled"]
    assert [*attempts(campaign, ids["oom"]).state] == ["completed"]
    assert [*outcomes.loc[ids["oom"]][["stage", "reason"]]] == ["train", "oom"]
    assert outcomes.metric[ids["fine"]] == pytest.approx(1.6)


def strike(cluster: VirtualCluster, holding: Holding, campaign: Path) -> tuple[str, dict[str, str]]:
    """Let each holder meet its fate; return the node that died, up again, and whom each befell."""
    wait_until("four ideas to hold the nodes", lambda: len(holding.begun()) == 4, seconds=90)
    wait_until("all to be submitted", lambda: len(planned(campaign)) == 1 + len(catalogue()))
    ids, names = ids_of(campaign), dict(zip(FATES, holding.begun(), strict=True))
    (waiting,) = set(HOLDERS) - set(names.values())
    dead = holding.node(names["node_fail"])
    cluster.run("scancel", task_of(cluster, campaign, ids[waiting]))
    cluster.run("scontrol", "update", f"JobId={holding.task(names['timeout'])}", "TimeLimit=1")
    cluster.crash_node(dead)
    preempt(cluster, holding.node(names["preempted"]))
    cluster.run("scancel", holding.task(names["cancelled"]))
    wait_until("the node to be missed", lambda: is_down(cluster, dead), seconds=60)
    cluster.start_node(dead)
    return dead, {**{fate: ids[name] for fate, name in names.items()}, "queued": ids[waiting]}


def planned(campaign: Path) -> dict[str, tuple[str, int]]:
    """Return which task of which array each idea is."""
    found: dict[str, tuple[str, int]] = {}
    for record in campaign.glob("jobs/*/batch.json"):
        batch = Batch.from_json(record.read_bytes())
        found |= {run.key.idea_id: (batch.name, index) for index, run in enumerate(batch.runs)}
    return found


def task_of(cluster: VirtualCluster, campaign: Path, idea: str) -> str:
    """Return the Slurm id of the task of an idea, which may still be in the queue."""
    name, index = planned(campaign)[idea]
    shown = cluster.run("squeue", "--noheader", f"--name={name}", "--format=%F")
    return f"{shown.stdout.split()[0]}_{index}"


def preempt(cluster: VirtualCluster, node: str) -> None:
    urgent = ("--partition=high", "--gres=gpu:8", "--cpus-per-task=16", "--output=/dev/null")
    cluster.run("sbatch", f"--nodelist={node}", *urgent, "--wrap=true")


def is_down(cluster: VirtualCluster, node: str) -> bool:
    state = cluster.run("sinfo", "--noheader", "-p", "gpu", f"--nodes={node}", "--format=%t").stdout
    return state.startswith("down")


@dataclass(frozen=True)
class Pair:
    """A campaign to be disturbed, and the same one left in peace."""

    cluster: VirtualCluster
    place: Path
    settings: Sequence[str]
    training: WatchedTraining
    commands: Commands

    def command(self, name: str) -> Command:
        environment = {**self.cluster.environment, "PATH": self.commands.path}
        log = self.place / f"{name}.log"
        return Command([*self.settings, f"campaign={name}"], log, environment)

    def folder(self, name: str) -> Path:
        return self.place / "runs" / name

    def log(self, name: str) -> str:
        path = self.folder(name) / "airr.log"
        return path.read_text() if path.exists() else ""

    def until(self, what: str, holds: Callable[[], object], seconds: float = 60) -> None:
        wait_until(what, holds, seconds=seconds)

    def assert_alike(self) -> None:
        """The storm changed nothing but the time that it took."""
        self.command("calm").finish()
        assert what_came_of_it(self.folder("stormy")) == what_came_of_it(self.folder("calm"))
        assert_nothing_is_double(self.folder("stormy"))
        runs = load(self.folder("stormy")).runs
        assert set(runs.id) == set(load(self.folder("calm")).runs.id)
        self.training.assert_each_ran_once(self.folder("stormy"), set(runs.id))


@pytest.fixture
def pair(cluster: VirtualCluster, tmp_path: Path) -> Pair:
    training = WatchedTraining(tmp_path / "trainings")
    go = tmp_path / "go"
    settings = [
        *toy.make_campaign_env(tmp_path),
        *HASTE,
        "search.epochs=2",
        "search.ideas_per_epoch=4",
        "cluster.sandbox=none",
        "env.budget_seconds=200",
        # the baseline is trained at once, the others once they are let go
        training.override(
            f"mkdir {go}-first 2>/dev/null || until test -e {go}; do sleep 0.1; done"
        ),
    ]
    commands = Commands.wrapped(tmp_path / "bin")
    return Pair(cluster, tmp_path, settings, training, commands)


UNREACHABLE = "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
REFUSED = (
    "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller "
    "(connect failure)' >&2; exit 1"
)


@dataclass(frozen=True)
class Struck:
    """A campaign of one idea, whose first srun is struck by shell lines."""

    command: Command
    commands: Commands
    folder: Path

    def assert_an_attempt_was_lost_and_no_idea(self) -> None:
        assert_nothing_is_double(self.folder)
        tables = load(self.folder)
        assert [*tables.runs.state].count("node_fail") == 1
        assert [*tables.outcomes.status] == ["scored", "scored"]


@pytest.fixture
def struck(cluster: VirtualCluster, tmp_path: Path) -> Struck:
    commands = Commands.wrapped(tmp_path / "bin", ["srun"])
    settings = [
        *toy.make_campaign_env(tmp_path, {"one": catalogue()["one"]}),
        *HASTE,
        "search.epochs=1",
        "search.ideas_per_epoch=1",
        "env.budget_seconds=80",
        "campaign=struck",
    ]
    environment = {**cluster.environment, "PATH": commands.path}
    command = Command(settings, tmp_path / "log.txt", environment)
    return Struck(command, commands, tmp_path / "runs" / "struck")


@pytest.mark.timeout(200)
def test_a_controller_that_dies_as_a_step_is_asked_for_costs_an_attempt_and_no_idea(
    cluster: VirtualCluster, struck: Struck
):
    controller = cluster.folders.pid("slurmctld").read_text().strip()
    struck.commands.put("srun", f'rm "$0"\nkill -9 {controller}\nexec {{real}} "$@"')
    silence, log = "the scheduler does not answer", struck.command.log
    with struck.command.running() as head:
        try:
            wait_until("it to be missed", lambda: silence in log.read_text(), seconds=60)
        finally:
            cluster.start_controller()
        assert head.wait(timeout=120) == 0, log.read_text()[-3000:]
    struck.assert_an_attempt_was_lost_and_no_idea()


@pytest.mark.timeout(200)
def test_a_step_that_slurm_starts_late_costs_an_attempt_and_no_idea(struck: Struck):
    """Here another one holds its processors; a controller that comes back does the same."""
    hold = f"{{real}} --ntasks=1 sleep {LATE_SECONDS + 5:g} &\nsleep 3"
    struck.commands.put("srun", f'rm "$0"\n{hold}\nexec {{real}} "$@"')
    struck.command.finish()
    struck.assert_an_attempt_was_lost_and_no_idea()


@pytest.mark.timeout(280)
def test_a_controller_that_is_down_or_answers_with_errors_is_waited_for(pair: Pair):
    """The trainings end while nobody listens; then a partition closes, too."""
    cluster, commands = pair.cluster, pair.commands
    with pair.command("stormy").running() as head:
        pair.until("trainings that wait", lambda: is_begun(pair, 3))
        began = time.time()
        pair.until("the controller to save its state", lambda: cluster.saved_at() > began + 1)
        cluster.daemon("slurmctld").kill()
        try:
            (pair.place / "go").touch()
            pair.until("trainings to end", lambda: is_begun(pair, 3, line="ended"))
            outage = commands.counts()["squeue"]
            pair.until("a head that asks in vain", lambda: commands.counts()["squeue"] > outage + 1)
            cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP")
            commands.put("sbatch", REFUSED)
        finally:
            cluster.start_controller()
        pair.until(
            "sbatch to be refused", lambda: "no answer to the submission" in pair.log("stormy")
        )
        commands.put("squeue", UNREACHABLE)
        cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")
        asked = commands.counts()["squeue"]
        pair.until("squeue to fail", lambda: commands.counts()["squeue"] > asked + 3)
        commands.restore()
        pair.until("a job in the closed partition", lambda: "PartitionDown" in reasons(cluster))
        assert head.poll() is None
        cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP")
        assert head.wait(timeout=150) == 0, pair.command("stormy").log.read_text()[-3000:]
    pair.assert_alike()


def is_begun(pair: Pair, count: int, line: str = "begun") -> bool:
    """Tell whether so many trainings have begun, or ended, the baseline's among them."""
    logs = [path.read_text() for path in pair.training.folder.glob("airr-stormy-*")]
    return sum(line in log for log in logs) >= count


def reasons(cluster: VirtualCluster) -> str:
    return cluster.run("squeue", "--noheader", "--states=PENDING", "--format=%r").stdout


@pytest.mark.timeout(200)
def test_an_array_taken_without_an_answer_and_one_taken_twice_run_once(pair: Pair):
    """And a second head beside the first is refused."""
    cluster, commands = pair.cluster, pair.commands
    controller = cluster.folders.pid("slurmctld").read_text().strip()
    instead = commands.folder / "instead-sbatch"
    commands.put(
        "sbatch",
        f"rm {instead}\nkill -STOP {controller}\n"
        f'{{real}} "$@"; status=$?\nkill -CONT {controller}\nexit $status',
    )
    with pair.command("stormy").running() as head:
        log = pair.place / "runs" / "stormy" / "airr.log"
        pair.until(
            "an answer to be lost", lambda: "no answer to the submission" in pair.log("stormy")
        )
        commands.put("sbatch", f'rm {instead}\n{{real}} "$@" > /dev/null\nexec {{real}} "$@"')
        second = airr(
            "evolve",
            *pair.settings,
            "campaign=stormy",
            cwd=pair.place,
            environment=dict(cluster.environment),
        )
        (pair.place / "go").touch()
        assert second.returncode == 2
        assert f"is being run by process {head.pid} on this machine" in second.stderr
        assert head.wait(timeout=150) == 0, log.read_text()
    assert "submitting it again" not in log.read_text()
    assert "was a second copy of a submitted array and is cancelled" in log.read_text()
    pair.assert_alike()


@pytest.mark.timeout(200)
def test_a_site_that_requeues_what_it_preempts_runs_the_same_attempt_again(
    cluster: VirtualCluster, tmp_path: Path
):
    holding = Holding(cluster, tmp_path / "holding")
    only = {"one": catalogue()["one"]}
    settings = [
        *toy.make_campaign_env(tmp_path, only),
        *HASTE,
        *WHOLE_NODE,
        holding.override(),
        "search.epochs=1",
        "search.ideas_per_epoch=1",
        "cluster.partition=preempt",
        "cluster.requeue=true",
        "campaign=requeued",
    ]
    command = Command(settings, tmp_path / "log.txt", cluster.environment)
    with command.running() as head:
        wait_until("the idea to train", holding.begun, seconds=60)
        preempt(cluster, holding.node("one"))
        assert head.wait(timeout=150) == 0, command.log.read_text()[-3000:]
    campaign = tmp_path / "runs" / "requeued"
    tables = load(campaign)
    assert (tables.runs.state == "completed").all()
    assert (tables.runs.attempt == 0).all()
    assert (tables.outcomes.status == "scored").all()
    begun = (tmp_path / "holding" / "one").read_text().split()
    assert len(begun) == 2
    assert len(set(begun)) == 1, "the same task of the same array began twice"


@pytest.mark.timeout(120)
def test_a_request_that_no_node_can_meet_ends_the_campaign_with_its_reason(
    cluster: VirtualCluster, tmp_path: Path
):
    settings = [
        *toy.make_campaign_env(tmp_path),
        *HASTE,
        "env.nodes=2",
        "cluster.partition=narrow",
        "search.epochs=1",
        "campaign=wide",
    ]
    done = airr("evolve", *settings, cwd=tmp_path, environment=dict(cluster.environment))
    assert done.returncode == 2
    assert "unsatisfiable while queue" in done.stderr
    assert "PartitionNodeLimit" in done.stderr
    (batch,) = (path.name for path in (tmp_path / "runs" / "wide" / "jobs").iterdir())
    left = cluster.run("squeue", "--noheader", f"--name={batch}").stdout
    assert left == "", "what can never start does not stay in the queue"


@pytest.mark.timeout(200)
def test_where_the_failed_node_is_all_that_fits_it_is_waited_for(
    cluster: VirtualCluster, tmp_path: Path
):
    """A retry avoids the node that died, unless Slurm says that nothing else will do."""
    holding = Holding(cluster, tmp_path / "holding")
    settings = [
        *toy.make_campaign_env(tmp_path, {"one": catalogue()["one"]}),
        *HASTE,
        *WHOLE_NODE,
        holding.override(),
        "search.epochs=1",
        "search.ideas_per_epoch=1",
        "+cluster.extra.nodelist=node2",
        "campaign=narrow",
    ]
    command = Command(settings, tmp_path / "log.txt", cluster.environment)
    with command.running() as head:
        try:
            wait_until("the idea to train", holding.begun, seconds=60)
            cluster.crash_node("node2")
            wait_until("node2 to be missed", lambda: is_down(cluster, "node2"), seconds=60)
            log = tmp_path / "runs" / "narrow" / "airr.log"
            again = "is submitted again, to any node"
            wait_until("a second attempt", lambda: again in log.read_text(), seconds=60)
        finally:
            cluster.start_node("node2")
        assert head.wait(timeout=100) == 0, command.log.read_text()[-3000:]
    runs = load(tmp_path / "runs" / "narrow").runs.query("idea_id != 'baseline'")
    assert [*runs.sort_values("attempt").state] == ["node_fail", "completed"]
    assert set(runs.node) == {"node2"}
