"""A campaign whose model, preflights and workers take no time, so that what is left is the head.

The codebase, the prompts and the diffs are those of env=nanogpt; ideas are its catalogue's, as
often as it takes. What the stand-ins themselves use of a processor is counted, to be taken off.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest.mock import patch

from airr.batch import Batch, Result
from airr.cluster.protocol import Cluster, JobArray, Preview, TaskId, TaskState, TaskStatus
from airr.composition import compositions
from airr.config import Config
from airr.executor.codebases import Tree, read_tree
from airr.executor.diffs import Rejection, apply_answer
from airr.executor.plans import env_folder
from airr.llm.catalogue import Catalogue, Entry
from airr.llm.protocol import Completion, Provider, Purpose, Request, StopReason, Usage
from airr.parsing import parse_config
from airr.records import BASELINE, Reason, RunKey, Stage
from airr.start import Start, start_of

SHARE_FAILED = 0.15
ATTEMPT = re.compile(r"Attempt (\d+)")
ADDED = re.compile(r"^\+[^+'\"#\\\n]*[\w)\]:,]$", re.MULTILINE)
LOG = "\n".join(f"step {n * 100}/800  loss {4 - n / 10:.4f}  25000 tokens/s" for n in range(8))


class Cost:
    """Processor seconds that the stand-ins used."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seconds = 0.0

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count what the body uses."""
        begun = time.thread_time()
        try:
            yield
        finally:
            self.seconds += time.thread_time() - begun


class Model:
    """Has ideas without end, and writes a diff that applies for each of them."""

    name = "instant"

    def __init__(self, catalogue: Catalogue, cost: Cost) -> None:
        """Answer from the catalogue of an environment."""
        self._cost = cost
        self._numbers = itertools.count()
        recipes = [(entry.default(),) for entry in catalogue.entries.values() if not entry.cheat]
        self._texts = [catalogue.text_of(recipe, ()) for recipe in recipes]
        self._diffs = [catalogue.diffs_of(recipe, 1)[0] for recipe in recipes]

    async def complete(self, request: Request) -> Completion:
        """Answer one request."""
        with self._cost.counted():
            said = request.variables
            text = (
                self.ideas(said["count"])
                if request.purpose is Purpose.IDEATE
                else _marked(self.diff(said["idea"]), request.seed)
            )
            return Completion(
                text=text,
                thinking="",
                stop_reason=StopReason.END,
                model=request.model,
                usage=Usage(input_tokens=10_000, output_tokens=len(text) // 4),
            )

    def ideas(self, count: int) -> str:
        """Return so many ideas that nobody had before."""
        numbers = itertools.islice(self._numbers, count)
        return "\n\n".join(
            self._texts[n % len(self._texts)].replace("[Experiment]", f"[Experiment] Attempt {n}:")
            for n in numbers
        )

    def diff(self, idea: str) -> str:
        """Return the diff of an idea."""
        found = ATTEMPT.search(idea)
        assert found, idea
        return f"```diff\n{self._diffs[int(found[1]) % len(self._diffs)]}\n```"


def _marked(diff: str, seed: int) -> str:
    """Return a diff with a comment of its own, so that no two samples write the same file."""
    return ADDED.sub(rf"\g<0>  # {seed}", diff, count=1)


class Workers:
    """A `Cluster` on which every task is done as soon as it is submitted."""

    place = "nowhere"
    complaint = ""

    def __init__(self, cost: Cost) -> None:
        """Begin with nothing submitted."""
        self._cost = cost
        self._rng = Random(0)

    async def submit(self, array: JobArray) -> None:
        """Leave the results that the tasks' workers would have written."""
        with self._cost.counted():
            batch = Batch.from_json((array.folder / "batch.json").read_bytes())
            for index in array.indices:
                self.leave_result(batch, index)

    def leave_result(self, batch: Batch, index: int) -> None:
        """Write what the worker of a task would have found."""
        result = self._result(batch, batch.runs[index].key)
        path = Path(batch.inbox) / f"{result.key.name}.json"
        path.write_text(result.to_json())

    def _result(self, batch: Batch, key: RunKey) -> Result:
        now = time.time()
        failed = Result(
            key=key, batch=batch.name, node="node1", job_id="1", started_at=now, ended_at=now,
            train_seconds=1.0, log_tail=LOG, stage=Stage.TRAIN, reason=Reason.CRASH,
            detail="it crashed",
        )  # fmt: skip
        if key.idea_id != BASELINE and self._rng.uniform(0, 1) < SHARE_FAILED:
            return failed
        loss = self._rng.gauss(3.3, 0.03)
        found = {"metric": loss, "standard_error": 0.01, "reported": {"step_ms": 52.0}}
        return replace(failed, stage=None, reason=None, detail="", **found)

    async def survey(
        self, arrays: Collection[JobArray]
    ) -> Mapping[str, Mapping[int, TaskStatus]] | None:
        """Say that all is running, until its results are found."""
        running = TaskStatus(state=TaskState.RUNNING, node="node1", job_id="1")
        return {array.name: dict.fromkeys(array.indices, running) for array in arrays}

    async def preview(self, array: JobArray) -> Preview:
        """Return nothing to speak of."""
        return Preview(script="", verdict=array.name, at_once=None)

    async def cancel(self, arrays: Collection[JobArray]) -> None:
        """Do nothing: all is done."""

    async def end_head(self, job_name: str) -> None:
        """Do nothing: there are no jobs."""

    async def cancel_duplicates(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    async def largest_array(self) -> int | None:
        """Return Slurm's default."""
        return 1001

    async def close(self) -> tuple[TaskId, ...]:
        """Do nothing."""
        return ()


class Preflight:
    """Passes everything at once; the gates before it are real."""

    def __init__(self, cost: Cost) -> None:
        """Take no time."""
        self._cost = cost

    async def check(self, tree: Tree, key: RunKey) -> Result:
        """Return a finding with a metric, once others had their turn, as any real one does."""
        await asyncio.sleep(0)
        with self._cost.counted():
            assert tree
            return Result(
                key=key, batch="", metric=5.0, node="", job_id="", started_at=0.0, ended_at=0.0
            )


def config_of(folder: Path, *settings: str) -> tuple[Config, dict[str, object]]:
    """Return the settings of a campaign of env=nanogpt below a folder, and their raw form."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "shard").write_bytes(b"tokens")
    (raw,) = compositions(
        "evolve",
        [
            "env=nanogpt", "cluster=slurm", "cluster.sandbox=none", "cluster.tick_seconds=0.25",
            "cluster.gather_seconds=0", "wandb.mode=disabled", f"root={folder / 'runs'}",
            *(f"env.{part}={data}" for part in ("train_data", "sealed_data")),
            *(f"env.preflight.{part}={data}" for part in ("train_data", "sealed_data")),
            *settings,
        ],
    )  # fmt: skip
    for not_frozen in ("fork", "once"):
        raw.pop(not_frozen)
    return parse_config(raw), raw


@contextmanager
def started(
    folder: Path,
    cost: Cost,
    *settings: str,
    provider: Provider | None = None,
    cluster: Cluster | None = None,
) -> Generator[Start]:
    """Yield what a head starts with, on a cluster that the settings name unless one is given.

    Without a provider, the one that they name answers.
    """
    config, raw = config_of(folder, *settings)
    asked = None if provider is None else dict.fromkeys(map(str, Purpose), provider)
    start = start_of(config, raw, providers=asked)
    with patch("airr.head.Preflight", lambda *_, **__: Preflight(cost)):
        yield replace(start, cluster=cluster) if cluster else start


def catalogue_of(folder: Path, *, only_sound: bool = False) -> Catalogue:
    """Return the ideas of the environment, or those alone whose diffs pass the gates."""
    config, _ = config_of(folder)
    catalogue = Catalogue.read(env_folder(config) / "catalogue")
    if not only_sound:
        return catalogue
    baseline = read_tree(env_folder(config) / "codebase")

    def passes(entry: Entry) -> bool:
        (diff,) = catalogue.diffs_of((entry.default(),), 1)
        answer, env = f"```diff\n{diff}\n```", config.env
        found = apply_answer(answer, baseline, editable=env.editable, limit_kb=env.patch_limit_kb)
        return not isinstance(found, Rejection)

    return Catalogue([entry for entry in catalogue.entries.values() if passes(entry)])
