"""Campaigns one after another on a real Slurm, with random faults of every kind.

    python -m tests.faults.soak [--minutes 60] [--seed 0] [--campaigns N]

Boots the Slurm of tests/slurm (as root), runs campaigns of the toy environment on a small disk of
their own, and lets two to five faults befall each of them (tests/faults/weather.py). After each it
checks what airr promises: the same outcomes as undisturbed, one for each idea; no job run twice, no
call of a model paid for twice; nothing left in the queue or running; a ledger that could be read
all along; no traceback. Prints one table; the exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
import warnings
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import rich.box
from rich.console import Console
from rich.table import Table

from airr.ledger import load
from airr.parts import DamagedPart
from tests.campaigns import what_came_of_it
from tests.faults.ground import Ground, ground
from tests.faults.promises import broken_promises, differences
from tests.faults.reading import read_all_along
from tests.faults.storm import Storm
from tests.faults.weather import FAULTS
from tests.llm.kept import numbered
from tests.llm.loopback import Loopback
from tests.llm.toy_model import ToyModel
from tests.slurm.daemons import ClusterBroken

OFFLINE = ["llm=offline"]
MODEL = ["llm=openai", "llm.ideator.model=local-model", "llm.implementer.model=local-model"]
FORMS = {
    "evolution": OFFLINE,
    "on parents": [*OFFLINE, "search=tree", "search.base=parent", "search.breadth=1"],
    "with seeds": [*OFFLINE, "search.repeats=2", "search.baseline_seeds=2"],
    "packed": [*OFFLINE, "cluster.pack=2", "cluster.pack_wait=1"],
    "steady state": [*OFFLINE, "search=steady_state"],
    "a model asked": [*MODEL, "implement.samples=2"],
}
ALIKE = ("evolution", "on parents", "with seeds", "packed")
"""Forms that end alike whatever their runs' order: the others are held to the rest alone."""
PATIENCE_SECONDS = 600.0


@dataclass
class Tally:
    """What the soak has seen."""

    campaigns: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ideas: int = 0
    runs: int = 0
    retried: int = 0
    calls: int = 0
    readings: int = 0
    violations: list[str] = field(default_factory=list)


class Soak:
    """Campaigns until the time is up, each with weather of its own."""

    def __init__(self, ground: Ground, rng: random.Random) -> None:
        self.ground = ground
        self.rng = rng
        self.tally = Tally()
        self.calm: dict[str, Any] = {}
        self._deck: list[str] = []

    def run_one(self, number: int) -> None:
        """Run one campaign through its weather, and look at what came of it."""
        form = self.rng.choice([*FORMS])
        before = len(self.tally.violations)
        with self._model(form) as loopback:
            settings = [*FORMS[form], *(_at(loopback) if loopback else ())]
            campaign = self.ground.campaign(f"c{number:03d}", settings)
            storm = Storm(campaign, self.ground.cluster, self.ground.clock, self.rng)
            befallen = self._drawn()
            with read_all_along(campaign.folder) as reader:
                try:
                    for fault in befallen:
                        FAULTS[fault](storm)
                        self.tally.faults[fault] += 1
                    self.ground.come_round()
                    self._finish(storm)
                finally:
                    storm.kill(lambda head: head.kill())
            self.tally.campaigns[form] += 1
            self.tally.readings += reader.times
            complaints = [] if storm.torn else reader.complaints
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if storm.torn else "error", DamagedPart)
                broken = self._look_at(storm, form, loopback)
            said = [*dict.fromkeys([*storm.violations, *complaints, *broken])]
        self.tally.violations += [f"{campaign.folder.name} ({form}): {one}" for one in said]
        for one in self.tally.violations[before:]:
            print(f"VIOLATION {one} [{', '.join(befallen)}]", file=sys.stderr, flush=True)
        if said:
            kept = self.ground.place / "broken" / campaign.folder.name
            shutil.copytree(campaign.folder, kept, symlinks=True)
        shutil.rmtree(campaign.folder)

    def _drawn(self) -> list[str]:
        """Return which faults befall a campaign: all kinds come round equally often."""
        count = self.rng.randint(2, 5)
        while len(self._deck) < count:
            self._deck += self.rng.sample([*FAULTS], len(FAULTS))
        drawn, self._deck = self._deck[:count], self._deck[count:]
        return drawn

    @contextmanager
    def _model(self, form: str) -> Generator[Loopback | None]:
        if FORMS[form][0] != MODEL[0]:
            yield None
            return
        with Loopback(ToyModel(numbered), key=None) as loopback:
            yield loopback

    def _finish(self, storm: Storm) -> None:
        """Let the same command come to its end, now that nothing disturbs it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not storm.is_complete and time.monotonic() < deadline:
            storm.living_head()
            time.sleep(0.1)
            storm.see_how_it_ended()
        if not storm.is_complete:
            storm.violations.append(f"it does not end within {PATIENCE_SECONDS:.0f} s")
            storm.kill(lambda head: head.kill())

    def _look_at(self, storm: Storm, form: str, loopback: Loopback | None) -> list[str]:
        """Return which promises were broken."""
        tables = load(storm.campaign.folder)
        self.tally.ideas += len(tables.ideas)
        self.tally.runs += len(tables.runs)
        self.tally.retried += int((tables.runs.attempt > 0).sum())
        self.tally.calls += len(loopback.asked) if loopback else 0
        broken = [*broken_promises(storm, self.ground.training.folder, loopback)]
        if not storm.may_lose_ideas and form in ALIKE:
            self._run_calmly(form)
            broken += differences(storm, self.calm[form])
        return broken

    def _run_calmly(self, form: str) -> None:
        if form not in self.calm:
            campaign = self.ground.campaign(f"calm-{len(self.calm)}", FORMS[form])
            assert campaign.run(seconds=PATIENCE_SECONDS) == 0, campaign.said[-2000:]
            self.calm[form] = what_came_of_it(campaign.folder)


def _at(loopback: Loopback) -> list[str]:
    return [f"llm.base_url={loopback.url}/v1"]


def table_of(tally: Tally, minutes: float) -> Table:
    """Return what the soak has seen as a table."""
    table = Table("what", "count", box=rich.box.ROUNDED, title=f"soak: {minutes:.0f} min")
    table.columns[1].justify = "right"
    for form, count in sorted(tally.campaigns.items()):
        table.add_row(f"campaigns: {form}", str(count))
    table.add_section()
    for what in ("ideas", "runs", "retried", "calls", "readings"):
        table.add_row(what, f"{getattr(tally, what):,}")
    table.add_section()
    for fault in FAULTS:
        table.add_row(f"fault: {fault}", str(tally.faults[fault]))
    table.add_section()
    table.add_row("violations", str(len(tally.violations)))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--campaigns", type=int, default=sys.maxsize, help="at most so many")
    options = parser.parse_args()
    began, number = time.monotonic(), 0
    with ground() as place:
        soak = Soak(place, random.Random(options.seed))
        while number < options.campaigns and time.monotonic() - began < options.minutes * 60:
            try:
                soak.run_one(number)
            except (ClusterBroken, AssertionError, OSError) as error:
                soak.tally.violations.append(f"c{number:03d}: the soak itself: {error!r}")
                print(soak.tally.violations[-1], file=sys.stderr, flush=True)
            number += 1
    Console().print(table_of(soak.tally, (time.monotonic() - began) / 60))
    if soak.tally.violations:
        sys.exit(f"what is left of the campaigns concerned lies in {place.place}")
    shutil.rmtree(place.place)


if __name__ == "__main__":
    main()
