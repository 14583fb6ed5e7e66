"""What an executed idea costs in input tokens, with and without the economy of airr/llm.

    python benchmarks/llm_cost.py [--ideas 80] [--samples 10] [--quick]

The real ideator and implementer ask, with the real prompts about the real codebase of env=nanogpt
and through the real SDK, a server on this machine that answers with the catalogue's ideas and
diffs. Of the first diffs four in ten are for another version of a file, and are revised. The
server counts tokens (4 characters each) as Anthropic bills them, by tests/llm/accounting.py: a
marked prefix of 256 tokens or more is written into a cache at 1.25 of the price, may be read from
it at 0.1 of the price once the answer of the writer has begun, and is forgotten 300 s after its
last use. Time runs `--haste` times as fast: an answer takes 40 to 90 s, its first token 2 s.

- `no cache`: nothing is marked, and every sample is asked for at once and to its end.
- `marks`: the shared prefixes are marked, yet a fan-out leaves at once.
- `marks, leader`: the first of a fan-out goes ahead alone until its first token.
- `airr`: the same, and a sample that passed ends the others of its idea, as in a campaign.

`billed` weighs what was read and written by those prices. `of no cache` is the share of what the
first row bills for an idea that came to be executed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import airr.llm.anthropic
from airr.batch import Result
from airr.composition import compositions
from airr.config import Config
from airr.executor import patches
from airr.executor.codebases import Tree
from airr.executor.plans import env_folder
from airr.llm.anthropic import Anthropic
from airr.llm.catalogue import Catalogue
from airr.llm.journal import Journal
from airr.llm.prefix import PrefixGate
from airr.llm.protocol import Purpose
from airr.parsing import parse_config
from airr.records import Idea, RunKey
from airr.researcher.strategy import fresh
from airr.roles import ideator_of, implementer_of
from tests import builders
from tests.llm.accounting import PrefixCache
from tests.llm.loopback import KEY, Asked, Loopback, Reply
from tests.llm.toy_model import is_ideation, said_to

WRITE, READ = 1.25, 0.1
"""Prices of a token that a cache writes or reads, in those of one that it does not."""
FIRST_TOKEN_SECONDS = 2.0
ANSWER_SECONDS = (40.0, 90.0)
PREFLIGHT_SECONDS = 10.0
FIRST_TO_PASS = "_first_to_pass"
STALE = 0.4
"""The share of first diffs that match no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """Which of the measures are taken."""

    name: str
    has_marks: bool = True
    has_leader: bool = True
    cancels: bool = True


ARMS = (
    Economy(name="no cache", has_marks=False, has_leader=False, cancels=False),
    Economy(name="marks", has_leader=False, cancels=False),
    Economy(name="marks, leader", cancels=False),
    Economy(name="airr"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """The input tokens of all requests that reached the server, cancelled ones included."""

    name: str
    calls: int
    fresh: int
    written: int
    read: int
    executed: int

    @property
    def per_idea(self) -> float:
        """Return the weighted tokens for each idea that would be executed."""
        return (self.fresh + WRITE * self.written + READ * self.read) / self.executed


class Model:
    """Answers with the catalogue's ideas, each as often as it takes, and with their diffs."""

    def __init__(self, catalogue: Catalogue, haste: float) -> None:
        """Answer at `haste` times the pace of a real model."""
        self._catalogue = catalogue
        self._haste = haste
        self._rng = random.Random(0)
        self._offered = 0

    def __call__(self, asked: Asked) -> Reply:
        """Return the answer to one request."""
        text = self._ideas(asked) if is_ideation(asked) else self._diff(asked)
        seconds = self._rng.uniform(*ANSWER_SECONDS) / self._haste
        first = FIRST_TOKEN_SECONDS / self._haste
        return Reply(text=text, prefill_seconds=first, seconds=seconds)

    def _ideas(self, asked: Asked) -> str:
        entries = list(self._catalogue.entries.values())
        count = int(asked.prompt.split("Propose ")[-1].split()[0])
        numbers = range(self._offered, self._offered + count)
        self._offered += count
        texts = [
            self._catalogue.text_of((entries[n % len(entries)].default(),), ()) for n in numbers
        ]
        return "\n\n".join(
            text.replace("[Experiment]", f"[Experiment] Attempt {n // len(entries)}:")
            for n, text in zip(numbers, texts, strict=True)
        )

    def _diff(self, asked: Asked) -> str:
        said = said_to(asked).replace("\\n", "\n")
        recipe = self._catalogue.recipe_in(said)
        assert recipe is not None
        (diff,) = self._catalogue.diffs_of(recipe, 1)
        is_first = "That did not work" not in said
        if is_first and self._rng.random() < STALE:
            diff = "\n".join(
                f" stale {line}" if line[:1] == " " else line for line in diff.split("\n")
            )
        return f"```diff\n{diff}\n```"


class Preflight:
    """A preflight that takes its time and passes everything: the gates before it are real."""

    def __init__(self, haste: float) -> None:
        """Take a hasty preflight's time."""
        self._seconds = PREFLIGHT_SECONDS / haste

    async def check(self, tree: Tree, key: RunKey) -> Result:
        """Return a finding with a metric."""
        await asyncio.sleep(self._seconds)
        assert tree
        return Result(
            key=key, batch="preflight", metric=5.0, node="", job_id="", started_at=0.0, ended_at=0.0
        )


def main() -> None:
    """Measure every arm and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ideas", type=int, default=80)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--haste", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="8 ideas, at 100 times the pace")
    said = parser.parse_args()
    if said.quick:
        said.ideas, said.haste = 8, 100.0
    config = config_for(said.ideas, said.samples)
    arms = [asyncio.run(measure(config, arm, said.haste)) for arm in ARMS]
    report(config, arms, said.haste)


def config_for(ideas: int, samples: int) -> Config:
    """Return the settings of a first epoch of env=nanogpt under Claude."""
    settings = [
        "env=nanogpt", "llm=anthropic", "cluster=local", f"search.ideas_per_epoch={ideas}",
        f"implement.samples={samples}",
    ]  # fmt: skip
    (raw,) = compositions("evolve", settings)
    for not_frozen in ("fork", "once"):
        raw.pop(not_frozen)
    return parse_config(raw)


async def measure(config: Config, economy: Economy, haste: float) -> Billed:
    """Propose and implement an epoch of ideas, and return what the server counted."""
    model = Model(Catalogue.read(env_folder(config) / "catalogue"), haste)
    cache = PrefixCache(hasty(haste))
    with TemporaryDirectory() as folder, Loopback(model) as loopback, taken(economy, haste):
        loopback.cache = cache
        provider = Anthropic(
            concurrency=config.llm.implementer.concurrency, api_key=KEY, base_url=loopback.url
        )
        journal = Journal(Path(folder) / "journal.jsonl", dict.fromkeys(Purpose, provider), {})
        executed = await evolve(config, journal, haste)
        journal.close()
        await provider.aclose()
    bills = [bill for _, bill in loopback.begun]
    return Billed(
        name=economy.name,
        calls=len(bills),
        fresh=sum(bill.fresh for bill in bills),
        written=sum(bill.written for bill in bills),
        read=sum(bill.read for bill in bills),
        executed=executed,
    )


async def evolve(config: Config, journal: Journal, haste: float) -> int:
    """Return how many ideas of one epoch came to a patch that passed."""

    def now() -> datetime:
        return builders.NOON

    ideator = ideator_of(config, ask=journal.ask, now=now)
    ideas = await ideator.propose(
        fresh(config.search), epoch=0, baseline=builders.BASELINE_SCORE, tried=[]
    )
    implementer = implementer_of(
        config, ask=journal.ask, holds=journal.holds, preflight=Preflight(haste), now=now
    )
    room = asyncio.Semaphore(config.implement.concurrent_ideas)

    async def implemented(idea: Idea) -> bool:
        async with room:
            return (await implementer.implement(idea)).tree is not None

    return sum(await asyncio.gather(*map(implemented, ideas)))


def hasty(haste: float) -> Callable[[], float]:
    """Return a clock that runs fast."""
    return lambda: haste * time.monotonic()


@contextmanager
def taken(economy: Economy, haste: float) -> Generator[None]:
    """Take only some of the measures, with the gate's clock as fast as the cache's."""
    marks = airr.llm.anthropic.CACHE if economy.has_marks else {}
    gate = PrefixGate(hasty(haste)) if economy.has_leader else NoGate()
    with ExitStack() as measures:
        measures.enter_context(patch("airr.llm.anthropic.CACHE", marks))
        measures.enter_context(patch("airr.llm.traffic.PrefixGate", lambda: gate))
        if not economy.cancels:  # then whoever passes must not keep the others from their turn
            measures.enter_context(patch.object(patches, FIRST_TO_PASS, all_of))
            judge = patches.Implementer._through_gates
            measures.enter_context(patch.object(patches.Implementer, "_judge", judge))
        yield


class NoGate(PrefixGate):
    """Lets everybody pass at once."""

    @asynccontextmanager
    async def passing(self, prefixes: Sequence[str]) -> AsyncGenerator[Callable[[], None]]:
        """Wait for nobody."""
        async with super().passing(prefixes[:0]) as begun:
            yield begun


async def all_of(samples: set[asyncio.Task[Tree | None]]) -> Tree | None:
    """Wait for every sample, where a campaign cancels the others once one has passed."""
    trees = await asyncio.gather(*samples)
    return next((tree for tree in trees if tree is not None), None)


def report(config: Config, arms: list[Billed], haste: float) -> None:
    """Print the table."""
    table = Table(
        title=f"{config.search.ideas_per_epoch} ideas x {config.implement.samples} samples, "
        f"env={config.env.name}, {haste:g} times the pace, {os.cpu_count()} CPU cores"
    )
    columns = ("economy", "calls", "fresh", "written", "read", "executed", "billed / idea")
    for column in (*columns, "of no cache"):
        table.add_column(column, justify="left" if column == "economy" else "right")
    for arm in arms:
        table.add_row(
            arm.name,
            str(arm.calls),
            f"{arm.fresh / 1e6:.2f}M",
            f"{arm.written / 1e6:.2f}M",
            f"{arm.read / 1e6:.2f}M",
            str(arm.executed),
            f"{arm.per_idea:,.0f}",
            f"{arm.per_idea / arms[0].per_idea:.3f}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
