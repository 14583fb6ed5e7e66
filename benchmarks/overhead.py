"""What the head itself costs: processor seconds and memory for each idea.

    python benchmarks/overhead.py [--ideas 100 1000 10000] [--latencies 0 1] [--flights 16 256]
                                  [--quick]

Campaigns of env=nanogpt in epochs of 100 ideas, each in a process of its own. The codebase, the
prompts, the diffs and every gate but the preflight are the real ones; workers' results are there as
soon as they are submitted (benchmarks/instant.py).

- `instant, 1` and `instant, 10`: the model answers within the process, with so many diffs side by
  side for each idea; as none of them takes any time, all ten are there, and kept, before the first
  is judged.
- `0 s, 16`: the model is asked through OpenAI's SDK over HTTP, from a server in a process of its
  own whose answers begin after so many seconds, with so many requests in flight; one diff for each
  idea, which passes. `ideal` is how long the answers take if they never wait for the head.

`head` is what the process and its children used of a processor from its first import on, less what
the stand-ins within it used; `start` is the part of it that an empty campaign takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from airr.display.live import follow
from airr.head import take_the_head
from benchmarks.endpoint import served
from benchmarks.instant import Cost, Model, Workers, catalogue_of, started
from benchmarks.measured import in_bytes, in_seconds, machine, on_disk, processor_seconds

PER_EPOCH = 100
IDEAS_PER_CALL = 10
WARMING = 1
"""Answers that the rest wait for, which share its prompt's beginning: in each epoch, and once."""
ONE = "--one"
"""What makes this script run a single campaign: its `Load` as JSON follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A campaign of so many ideas. Without a latency the model answers within the process."""

    ideas: int
    samples: int
    in_flight: int
    latency: float | None = None
    url: str = ""

    @property
    def name(self) -> str:
        """Return how the table calls it."""
        if self.latency is None:
            return f"instant, {self.samples}"
        return f"{self.latency:g} s, {self.in_flight}"

    @property
    def epochs(self) -> int:
        """Return the number of epochs."""
        return math.ceil(self.ideas / PER_EPOCH)

    @property
    def ideal(self) -> float | None:
        """Return how many seconds the answers take at least."""
        if self.latency is None:
            return None
        ideas = min(PER_EPOCH, self.ideas)
        asked = math.ceil((math.ceil(ideas / IDEAS_PER_CALL) - 1) / self.in_flight)
        written = math.ceil(ideas * self.samples / self.in_flight)
        return (self.epochs * (WARMING + asked + written) + WARMING) * self.latency

    @property
    def settings(self) -> list[str]:
        """Return the settings of the campaign."""
        per_epoch = min(PER_EPOCH, self.ideas)
        llm = ["llm=offline"]
        if self.latency is not None:
            models = [f"llm.{role}.model=local-model" for role in ("ideator", "implementer")]
            llm = ["llm=openai", f"llm.base_url={self.url}/v1", *models]
            llm.append(f"llm.concurrency={self.in_flight}")
        return [
            *llm, f"search.epochs={self.epochs}", f"search.ideas_per_epoch={per_epoch}",
            f"search.ideas_per_call={IDEAS_PER_CALL}", f"implement.samples={self.samples}",
            f"implement.concurrent_ideas={self.in_flight}", "implement.repair_runs=0",
            "campaign=load",
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a campaign used: seconds on the clock, of a processor, and bytes."""

    outcomes: int
    clock: float
    start: float
    head: float
    peak: int
    size: int
    files: int


def run_one(load: Load) -> Used:
    """Run a campaign in this process."""
    cost = Cost()
    with TemporaryDirectory(prefix="airr-overhead-") as folder:
        place = Path(folder)
        model = Model(catalogue_of(place), cost) if load.latency is None else None
        workers = Workers(cost)
        with started(place, cost, *load.settings, provider=model, cluster=workers) as start:
            before = processor_seconds(resource.RUSAGE_SELF)
            begun = time.monotonic()

            async def evolve() -> int:
                async with take_the_head(start) as head, follow(head, []):
                    await head.campaign.run()
                return len(head.book.outcomes)

            with contextlib.redirect_stdout(sys.stderr):
                outcomes = asyncio.run(evolve())
            clock = time.monotonic() - begun
        size, files = on_disk(place / "runs")
    own = processor_seconds(resource.RUSAGE_SELF)
    return Used(
        outcomes=outcomes,
        clock=clock,
        start=before,
        head=own + processor_seconds() - cost.seconds,
        peak=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        size=size,
        files=files,
    )


def measure(load: Load) -> Used:
    """Run a campaign in a process of its own."""
    with served(load.latency) if load.latency is not None else nullcontext("") as url:
        done = subprocess.run(
            [sys.executable, __file__, ONE, json.dumps(asdict(load) | {"url": url})],
            capture_output=True,
            check=False,
            text=True,
        )
    if done.returncode:
        sys.exit(done.stderr)
    used = Used(**json.loads(done.stdout.splitlines()[-1]))
    assert used.outcomes == load.ideas + 1, f"{used.outcomes} outcomes of {load.ideas} ideas"
    return used


def loads(sizes: list[int], latencies: list[float], flights: list[int], http: int) -> list[Load]:
    """Return all campaigns that are to be measured."""
    instant = [
        Load(ideas=count, samples=samples, in_flight=16) for samples in (1, 10) for count in sizes
    ]
    over_http = [
        Load(ideas=http, samples=1, in_flight=flight, latency=latency)
        for latency in latencies
        for flight in flights
    ]
    return [*instant, *over_http]


def main() -> None:
    """Measure every campaign and print the table."""
    if sys.argv[1:2] == [ONE]:
        print(json.dumps(asdict(run_one(Load(**json.loads(sys.argv[2]))))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ideas", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--latencies", type=float, nargs="*", default=[0.0, 1.0])
    parser.add_argument("--flights", type=int, nargs="*", default=[16, 256])
    parser.add_argument("--http-ideas", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="20 and 100 ideas, 20 over HTTP")
    asked = parser.parse_args()
    if asked.quick:
        campaigns = loads([20, 100], [0.0], [16], 20)
    else:
        campaigns = loads(asked.ideas, asked.latencies, asked.flights, asked.http_ideas)
    report([(load, measure(load)) for load in campaigns])


def report(found: list[tuple[Load, Used]]) -> None:
    """Print the table."""
    table = Table(title=machine())
    table.add_column("model")
    columns = ("ideas", "clock", "ideal", "start", "head", "head / idea", "peak memory")
    for column in (*columns, "on disk", "files"):
        table.add_column(column, justify="right")
    for load, used in found:
        table.add_row(
            load.name,
            f"{load.ideas:,}",
            in_seconds(used.clock),
            "" if load.ideal is None else in_seconds(load.ideal),
            in_seconds(used.start),
            in_seconds(used.head),
            in_seconds((used.head - used.start) / load.ideas),
            in_bytes(used.peak),
            in_bytes(used.size),
            f"{used.files:,}",
        )
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
