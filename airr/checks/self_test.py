"""An environment is tried before a campaign trusts it: baseline, no-op, nothing, known cheats.

They run as a campaign's ideas do, through its own executor, scheduler and workers, in a
campaign of their own that is removed at the end, unless something failed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airr.checks.candidates import Candidate, Prepared, candidates_for
from airr.checks.finding import Findings, Tell, Verdict, warning
from airr.checks.passing import missing_folders, remove_folder
from airr.checks.self_test_rules import (
    judge_baseline,
    judge_candidate,
    judge_preflight,
    judge_seeds,
)
from airr.cluster.protocol import TaskState
from airr.config import Config, Env
from airr.executor.codebases import read_tree
from airr.executor.executor import Executor, Step
from airr.executor.plans import env_folder, preflight_plan
from airr.executor.preflight import Preflight
from airr.head import Head, take_the_head
from airr.llm.catalogue import Catalogue
from airr.llm.protocol import Provider, Purpose
from airr.parsing import parse_config
from airr.records import BASELINE, Idea, Outcome, RunKey, Scored
from airr.start import start_of, with_sandbox

LOOK_SECONDS = 0.3
CHEAP_SECONDS = 600.0
"""What a run without a GPU may take for a self-test to go without asking."""
BASELINES = 2
"""Runs of the unmodified codebase, each with a seed of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a self-test takes at most."""

    runs: int
    gpus: int
    seconds: float
    """Of one run, on `gpus` GPUs of all its nodes."""
    is_small: bool

    def __str__(self) -> str:
        """Return it in words."""
        hours = self.runs * self.gpus * self.seconds / 3600
        spent = f", {hours:.1f} GPU-hours in all" if self.gpus else ""
        return f"{self.runs} runs of at most {self.seconds / 60:.0f} min each{spent}"


class StillQueued(Exception):
    """Nothing has moved for as long as the user is willing to wait."""


def candidates_of(config: Config) -> tuple[Candidate, ...]:
    """Return what this environment is tried with."""
    folder = env_folder(config)
    entries = ()
    if any((folder / "catalogue").glob("*.yaml")):
        entries = tuple(Catalogue.read(folder / "catalogue").entries.values())
    return candidates_for(config.env, read_tree(folder / "codebase"), entries)


def cost_of(env: Env, candidates: Sequence[Candidate]) -> Cost:
    """Return what trying an environment with these candidates takes, if all of them run."""
    seconds, gpus = env.budget_seconds + env.score_seconds, env.nodes * env.gpus
    return Cost(
        runs=BASELINES + len(candidates),
        gpus=gpus,
        seconds=seconds,
        is_small=gpus == 0 and env.nodes == 1 and seconds <= CHEAP_SECONDS,
    )


async def self_test(
    raw: Mapping[str, Any], candidates: Sequence[Candidate], *, patience: float, tell: Tell
) -> Findings:
    """Yield what the runs show. `raw` is the composed configuration of a campaign.

    Raises:
        AirrError: the cluster refuses the runs, or the campaign's folder cannot be made.
    """
    name = f"check-{raw['env']['name']}-{secrets.token_hex(3)}"
    once = {**raw["implement"], "samples": 1, "revisions": 0}
    twice = {**raw["cluster"], "max_retries": min(1, raw["cluster"]["max_retries"])}
    raw = {**raw, "campaign": name, "implement": once, "cluster": twice}
    config = parse_config(raw)
    folder, keep = Path(config.root).absolute() / name, False
    were_missing = missing_folders(folder)
    try:
        async for finding in _try_preflight(with_sandbox(config), name, tell):
            keep = finding.verdict is Verdict.FAILED
            yield finding
        if keep:
            return
        prepared: dict[str, Provider] = {Purpose.IMPLEMENT: Prepared(candidates)}
        start = start_of(config, raw, providers=prepared)
        async with take_the_head(start) as head:
            try:
                async for finding in _run(head, candidates, patience, tell):
                    keep = keep or finding.verdict is Verdict.FAILED
                    yield finding
            finally:
                arrays = head.scheduler.open_arrays()
                await start.cluster.cancel(arrays)
    finally:
        if not keep:
            remove_folder(folder, were_missing)
    if folder.exists():
        yield warning("kept", f"{folder} holds the runs' logs", f"rm -r {folder} when done")


async def _try_preflight(config: Config, name: str, tell: Tell) -> Findings:
    tell("the baseline's preflight runs")
    room = asyncio.Semaphore(1)
    preflight = Preflight(preflight_plan(config), uid=name, seed=config.seed, room=room)
    tree = read_tree(env_folder(config) / "codebase")
    result = await preflight.check(tree, RunKey(idea_id=BASELINE))
    yield judge_preflight(result, config.env.preflight.seconds)


async def _run(
    head: Head, candidates: Sequence[Candidate], patience: float, tell: Tell
) -> Findings:
    """Run everything at once, and judge it in order: each rests on what comes before."""
    executor, env = head.campaign.executor, head.config.env
    baselines = [asyncio.create_task(executor.measure_baseline(r)) for r in range(BASELINES)]
    trials = [asyncio.create_task(_outcome(executor, one.idea())) for one in candidates]
    watch = _Watch(head=head, tasks=[*baselines, *trials], patience=patience, tell=tell)
    try:
        baseline = await watch.until(baselines[0])
        yield judge_baseline(baseline, env)
        if not isinstance(baseline, Scored):
            return
        second = await watch.until(baselines[1])
        yield judge_seeds(baseline, second)
        if not isinstance(second, Scored):
            return
        for candidate, task in zip(candidates, trials, strict=True):
            outcome = await watch.until(task)
            yield judge_candidate(candidate, outcome, baseline, second, env.metric)
    except StillQueued:
        yield warning(
            "self-test",
            f"nothing of it has moved in the queue for {patience:g} s: cancelled",
            "wait longer with check.patience=3600, or try at a quieter hour",
        )
    finally:
        for task in watch.tasks:
            task.cancel()
        await asyncio.gather(*watch.tasks, return_exceptions=True)


async def _outcome(executor: Executor, idea: Idea) -> Outcome:
    (outcome,) = [outcome async for outcome in executor.run([idea])]
    return outcome


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Waits for runs, says how far they are, and loses patience when all of them only queue."""

    head: Head
    tasks: Sequence[asyncio.Task[Outcome]]
    patience: float
    tell: Tell
    moved_at: float = 0.0
    done: int = -1

    async def until(self, task: asyncio.Task[Outcome]) -> Outcome:
        """Return what a run came to.

        Raises:
            StillQueued: none of the runs has moved for too long.
        """
        while not task.done():
            await asyncio.wait([task], timeout=LOOK_SECONDS)
            self._look()
        return task.result()

    def _look(self) -> None:
        states = Counter(run.state for run in self.head.scheduler.open.values())
        patching = Step.PATCHING in self.head.campaign.executor.steps.values()
        done = sum(task.done() for task in self.tasks)
        running, queued = states[TaskState.RUNNING], states[TaskState.PENDING]
        if running or patching or done != self.done:
            self.moved_at, self.done = time.monotonic(), done
        self.tell(f"{done} of {len(self.tasks)} done, {running} running, {queued} queued")
        if time.monotonic() > self.moved_at + self.patience:
            raise StillQueued
