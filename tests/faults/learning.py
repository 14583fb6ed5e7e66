"""What airr.rl promises of its policy, looked for in a campaign whose heads or jobs were killed."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from airr.lease import holder_of
from airr.ledger import load
from airr.policy.checkpoints import MANIFEST, checkpoint_name, verify
from airr.policy.orders import Order, StageKind, result_in, stage_name
from airr.policy.rollouts import read_group
from airr.policy.schooling import rollouts_of
from airr.policy.stages import orders_in
from airr.workspace import Workspace

LOOK_SECONDS = 0.02


def weights_in(folder: Path) -> dict[str, dict[str, tuple[int, str]]]:
    """Return size and hash of every file of every checkpoint, the optimizer's moments included."""
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted(folder.glob(f"policy/e*/{MANIFEST}"))
    }


def assert_learned_once(folder: Path, keep: int, *, jobs: int = 1) -> None:
    """Every rollout taught once, and each update's one product is what came after it.

    `jobs` is how many were ordered of each stage at most: one, where none was killed.
    """
    tables = load(folder)
    assert tables.updates.epoch.is_unique
    taught: Counter[tuple[str, int]] = Counter()
    learned: list[str] = []
    for update in tables.updates.sort_values("epoch").to_dict("records"):
        epoch, before = update["epoch"], learned[-1] if learned else None
        _only_order(folder, epoch, StageKind.SAMPLE, before, jobs)
        group = read_group(rollouts_of(Workspace(folder), epoch))
        ideas = tables.ideas.id[tables.ideas.epoch == epoch].tolist()
        assert ideas == [f"e{epoch:02d}-i{one.place:03d}" for one in group.rollouts]
        if update["rollouts"]:
            taught.update(_taught_by(update, folder, before, jobs))
            learned.append(checkpoint_name(epoch))
        else:
            assert not (folder / "stages" / stage_name(epoch, StageKind.UPDATE)).exists()
    assert learned, "nothing was learned"
    assert {*taught.values()} == {1}, "a rollout teaches once"
    kept = sorted(path.name for path in (folder / "policy").iterdir())
    assert kept == learned[-keep:], "the last ones are kept, and nothing half-saved"
    for name in kept:
        verify(folder / "policy" / name)


def _taught_by(
    update: Mapping[Any, Any], folder: Path, before: str | None, jobs: int
) -> list[tuple[str, int]]:
    """Return the rollouts that an update learned from, as its order has it and the ledger tells."""
    epoch = update["epoch"]
    order = _only_order(folder, epoch, StageKind.UPDATE, before, jobs)
    assert Path(order.product).name == checkpoint_name(epoch)
    places = [(one.rollouts, place) for one in order.lessons for place in one.places]
    own = stage_name(epoch, StageKind.SAMPLE)
    late = [file for file, _ in places if Path(file).parent.name != own]
    assert (update["rollouts"], update["late"]) == (len(places), len(late))
    result = result_in(Path(order.folder))
    assert result
    assert update["loss"] == result.numbers["loss"], "the result that counts is that of its job"
    return places


def _only_order(folder: Path, epoch: int, kind: StageKind, before: str | None, jobs: int) -> Order:
    """Return the order of a stage that was carried out, once, on the last weights before it."""
    orders = orders_in(folder / "stages" / stage_name(epoch, kind))
    assert len(orders) <= jobs, [one.name for one in orders]
    done = [done_times(one) for one in orders]
    assert done[-1] == 1, f"{orders[-1].name} was carried out {done[-1]} times"
    assert sum(done) <= jobs
    assert Path(orders[-1].checkpoint or "").name == (before or "")
    return orders[-1]


def done_times(order: Order) -> int:
    """Return how often the work of an order came to its end, by its log."""
    word = "learned from" if order.kind is StageKind.UPDATE else f"sampled {order.count} of"
    return order.log.read_text().count(word) if order.log.exists() else 0


@dataclass
class Betrayal:
    """Has a head killed while a job on its policy is at work, once for each stage."""

    folder: Path
    with_job: bool
    met: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Strike if a stage's job is at work for the first time, and the head lives."""
        for alive in self.folder.glob("stages/*/alive-*"):
            stage = alive.parent
            ends = (stage / "result.json", stage / f"{alive.name.replace('alive', 'failure')}.json")
            if stage.name in self.met or any(end.exists() for end in ends):
                continue
            if not (head := holder_of(self.folder / "lease")):
                return
            self.met.add(stage.name)
            with suppress(psutil.NoSuchProcess):
                psutil.Process(head.pid).kill()
                for process in psutil.process_iter(["cmdline"]) if self.with_job else ():
                    line = process.info["cmdline"] or []
                    if "airr.policy.job" in line and any(str(stage) in word for word in line):
                        process.kill()


@contextmanager
def betrayed(folder: Path, *, with_job: bool = False) -> Generator[set[str]]:
    """Kill a campaign's head beside each of its jobs on the policy; yield the stages as met."""
    betrayal, done = Betrayal(folder, with_job), threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            betrayal.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield betrayal.met
    finally:
        done.set()
        thread.join()
