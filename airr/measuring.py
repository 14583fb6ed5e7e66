"""Codebases that are there already, run once more with several seeds: nobody proposes anything.

A measurement is a campaign folder like any other: its runs are submitted, recorded and resumed by
the same scheduler, and their outcomes stand in a ledger of the same tables.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airr.batch import Plan, Race
from airr.book import Book
from airr.charter import open_charter
from airr.config import Bench, Direction, Metric, RewardFormula
from airr.errors import ConfigError
from airr.executor.codebases import pack, read_tree, sha256_of
from airr.executor.jobs import Scheduler
from airr.executor.plans import env_folder, training_plan
from airr.executor.restoring import Restoring
from airr.head import together
from airr.headlog import logged_into
from airr.interrupts import undisturbed
from airr.lease import Lease
from airr.ledger import Ledger
from airr.llm.journal import Journal
from airr.prepared import check_data
from airr.records import BASELINE, Codebase
from airr.shared import shared_by
from airr.start import cluster_of, hashes_of, shielded
from airr.withdrawal import let_go
from airr.workspace import Workspace, check_writable, write_atomically


class Measure(StrEnum):
    """What is measured of a run."""

    SCORE = "score"
    """The environment's metric, of what training saved last."""
    TIME_TO_TARGET = "time_to_target"
    """The seconds until a checkpoint of its training reached a target, scoring left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Bench):
    """How often each codebase is run: with the seeds from `seed` on, `seeds` of them.

    `target` is a value of the environment's metric, and training is asked to save every
    `save_every_seconds`; both are for the time to the target alone.
    """

    seeds: int
    measure: Measure
    target: float | None
    save_every_seconds: float

    @property
    def race(self) -> Race | None:
        """Return what the workers are told of the target, if there is one to be reached."""
        if self.measure is Measure.SCORE or self.target is None:
            return None
        metric = self.env.metric
        minimize = metric.direction is Direction.MINIMIZE
        return Race(target=self.target, minimize=minimize, plausible=metric.plausible)

    @property
    def metric(self) -> Metric:
        """Return what the outcomes of this measurement are values of."""
        if self.race is None:  # what is measured here is what lifts a doubt
            return replace(self.env.metric, jump=0.0)
        return Metric(
            name=f"seconds to {self.target:g}",
            unit="s",
            direction=Direction.MINIMIZE,
            reward=RewardFormula.INVERSE,
            plausible=(0.0, float("inf")),
            jump=0.0,
        )

    @property
    def plan(self) -> Plan:
        """Return how each run is trained and scored."""
        plan, race = training_plan(self), self.race
        if race is None:
            return plan
        saving = {"AIRR_SAVE_EVERY": f"{self.save_every_seconds:g}"}
        train = replace(plan.train, environment={**plan.train.environment, **saving})
        return replace(plan, train=train, race=race)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """A measurement, held by its lease and running."""

    config: Measurement
    workspace: Workspace
    book: Book
    scheduler: Scheduler
    place: str

    async def run(self, codebases: Sequence[Codebase]) -> None:
        """Return once every codebase has an outcome with every seed; what has one is kept."""
        await asyncio.gather(
            *(
                self.scheduler.run(codebase, repeat)
                for repeat in range(self.config.seeds)
                for codebase in codebases
            )
        )


def check_measurement(config: Measurement) -> None:
    """Refuse what cannot be run.

    Raises:
        ConfigError: there are no seeds, there is no target to reach, or no room for a result.
    """
    check_writable(Path(config.root) / config.campaign)
    if config.seeds < 1:
        raise ConfigError(f"seeds={config.seeds}: it must be at least 1")
    if config.measure is Measure.TIME_TO_TARGET and config.target is None:
        raise ConfigError(f"measure=time_to_target: which {config.env.metric.name}? target=NUMBER")
    if config.save_every_seconds <= 0:
        raise ConfigError(f"save_every_seconds={config.save_every_seconds}: it must be above 0")


@asynccontextmanager
async def take_the_measure(
    config: Measurement,
    raw: Mapping[str, Any],
    *,
    trusted: bool,
) -> AsyncGenerator[Measuring]:
    """Hold a measurement and keep its scheduler going while the caller uses it.

    `trusted` codebases are airr's own, and may run where there is no sandbox.

    Raises:
        AirrError: it cannot be opened, or not be gone on with.
    """
    check_measurement(config)
    config = shielded(config, trusted=trusted)
    cluster = cluster_of(config, shared_by([config]).slots)
    check_data(config)
    workspace = Workspace(Path(config.root) / config.campaign)
    workspace.create()
    lease = Lease.acquire(workspace.lease)
    try:
        charter = open_charter(workspace, raw, version=version("airr"), **hashes_of(config))
        nobody = Journal(workspace.journal, {}, {})  # no model is asked
        book = Book(Ledger(workspace.ledger, guard=lease.check), nobody)
        Restoring(workspace=workspace, book=book, metric=config.metric).restore()
        scheduler = Scheduler(
            workspace=workspace,
            book=book,
            cluster=cluster,
            plan=config.plan,
            metric=config.metric,
            settings=config.cluster,
            seed=config.seed,
            uid=charter.uid,
            clock=time.time,
        )
        with logged_into(workspace.log):
            async with together(scheduler.keep_going(), lease.keep()):
                yield Measuring(
                    config=config,
                    workspace=workspace,
                    book=book,
                    scheduler=scheduler,
                    place=cluster.place,
                )
    finally:
        await undisturbed(let_go(cluster, workspace, lease))
        lease.release()


def unmodified(measuring: Measuring) -> Codebase:
    """Return the environment's own codebase, packed into the measurement's folder."""
    data = pack(read_tree(env_folder(measuring.config) / "codebase"))
    return keep(measuring.workspace, BASELINE, data)


def keep(workspace: Workspace, idea_id: str, data: bytes) -> Codebase:
    """Put a packed codebase into a measurement's folder."""
    path = workspace.codebase(idea_id)
    write_atomically(path, data)
    return Codebase(
        idea_id=idea_id,
        path=path.relative_to(workspace.folder).as_posix(),
        sha256=sha256_of(data),
    )
