"""A config -> the parts of a campaign, put together, and kept going while somebody uses them."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airr.book import Book
from airr.budget import Bound, Purse, check_known_costs
from airr.campaign import Campaign
from airr.charter import Charter, fork, hash_of_folder, open_charter, read_charter
from airr.cluster.local import Local
from airr.cluster.protocol import Cluster
from airr.cluster.slots import Slots
from airr.cluster.slurm_settings import SlurmSettings
from airr.config import OFFLINE, Bench, Config
from airr.errors import ConfigError
from airr.executor.codebases import read_tree
from airr.executor.executor import Executor
from airr.executor.jobs import Scheduler
from airr.executor.mending import Mending
from airr.executor.plans import (
    env_folder,
    preflight_plan,
    resolve_sandbox,
    training_plan,
    with_seals,
)
from airr.executor.preflight import Preflight
from airr.forecast import Hours, hours_of
from airr.headlog import logged_into
from airr.lease import Lease
from airr.ledger import Ledger
from airr.llm.journal import Journal
from airr.llm.protocol import Provider, Purpose
from airr.parsing import AnyBench
from airr.prompts import Prompts
from airr.providers import prices_of, providers_of
from airr.roles import ideator_of, implementer_of
from airr.shared import Shared, shared_by
from airr.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One campaign, held by its lease and running: what verbs and displays look at."""

    config: Config
    workspace: Workspace
    book: Book
    scheduler: Scheduler
    campaign: Campaign
    place: str


@asynccontextmanager
async def take_the_head(
    config: Config,
    raw: Mapping[str, Any],
    forked_from: str | None = None,
    shared: Shared | None = None,
    providers: Mapping[Purpose, Provider] | None = None,
) -> AsyncGenerator[Head]:
    """Hold a campaign and keep its scheduler going while the caller uses it.

    Whatever goes wrong in the background (a lost lease, a refusing cluster) ends the caller too,
    with that error. On leaving, the local machine's runs are ended and the lease is let go.
    `shared` is what it has in common with other campaigns, where there are others; `providers`
    answer in place of those that the settings name.

    Raises:
        AirrError: the campaign cannot be opened, or not be gone on with.
    """
    workspace = Workspace(Path(config.root) / config.campaign)
    source = Workspace(Path(config.root) / forked_from) if forked_from else None
    if source:
        read_charter(source)
    config = with_sandbox(config)
    shared = shared or shared_by([config])
    cluster = cluster_of(config, shared.slots)
    check_data(config)
    prices_of(config)
    providers = providers or providers_of(config)  # what they refuse must leave no campaign
    Prompts(config.prompts)
    workspace.create()
    lease = Lease.acquire(workspace.lease)
    try:
        charter = open_charter(
            workspace,
            raw,
            version=version("airr"),
            env_sha256=hash_of_folder(env_folder(config)),
            data_sha256=hash_of_folder(Path(training_plan(config).sealed_data)),
        )
        if source:
            fork(source, workspace)
        with logged_into(workspace.log):
            head = assemble(config, charter, workspace, lease, cluster, shared, providers)
            with shared.nodes.counting(head.scheduler) if shared.nodes else nullcontext():
                async with together(head.scheduler.keep_going(), lease.keep()):
                    yield head
            head.book.enter()
    finally:
        await cluster.close()
        lease.release()


def assemble(  # noqa: PLR0913 - the composition root of a campaign
    config: Config,
    charter: Charter,
    workspace: Workspace,
    lease: Lease,
    cluster: Cluster,
    shared: Shared,
    providers: Mapping[Purpose, Provider],
) -> Head:
    """Put the parts of a campaign together."""
    now = functools.partial(datetime.now, UTC)
    ledger = Ledger(workspace.ledger, guard=lease.check)
    prices = prices_of(config)
    journal = Journal(workspace.journal, providers, prices, guard=lease.check)
    check_known_costs(config.budget, journal.unpriced)
    book = Book(ledger, journal)
    purse = Purse(journal, prices, config.budget, list(book.calls.values()))
    scheduler = Scheduler(
        workspace=workspace,
        book=book,
        cluster=cluster,
        plan=with_seals(training_plan(config)),
        metric=config.env.metric,
        settings=config.cluster,
        seed=config.seed,
        uid=charter.uid,
        clock=time.time,
        limit=shared.nodes,
        mending=Mending(runs=config.implement.repair_runs, seconds=config.implement.repair_seconds),
    )
    preflight = Preflight(
        with_seals(preflight_plan(config)),
        uid=charter.uid,
        seed=config.seed,
        room=shared.preflights,
    )
    executor = Executor(
        workspace=workspace,
        book=book,
        implementer=implementer_of(
            config, ask=purse.ask, holds=journal.holds, preflight=preflight, now=now
        ),
        scheduler=scheduler,
        baseline=read_tree(env_folder(config) / "codebase"),
        at_once=ideas_at_once(config),
        gpu=gpu_bound(config, book),
        run_gpu_hours=run_hours(config).gpu_most,
        now=now,
    )
    ideator = ideator_of(config, ask=purse.ask, now=now)
    campaign = Campaign(config=config, book=book, ideator=ideator, executor=executor)
    return Head(
        config=config,
        workspace=workspace,
        book=book,
        scheduler=scheduler,
        campaign=campaign,
        place=cluster.place,
    )


def with_sandbox(config: Config) -> Config:
    """Return the config with `auto` replaced by what shields candidates here.

    Raises:
        ConfigError: candidates would run unshielded although nobody asked for that.
    """
    return shielded(config, trusted=config.llm.implementer.provider == OFFLINE)


def shielded(config: AnyBench, *, trusted: bool) -> AnyBench:
    """Do as `with_sandbox`; `trusted` code is airr's own, and may do without a sandbox.

    Raises:
        ConfigError: as `with_sandbox`.
    """
    sandbox = resolve_sandbox(config.cluster.sandbox, trusted_code=trusted)
    return replace(config, cluster=replace(config.cluster, sandbox=sandbox))


def cluster_of(config: Bench, slots: Slots) -> Cluster:
    """Return the scheduler of this config; `slots` are those of this machine.

    Raises:
        ConfigError: this machine has not what the environment needs.
    """
    own, env = config.cluster.own, config.env
    if isinstance(own, SlurmSettings):
        from airr.cluster.slurm import Slurm  # noqa: PLC0415 - only where it is asked for

        return Slurm(own, os.environ)
    machine = slots.machine
    needs = (
        ("GPUs", env.gpus, machine.gpus),
        ("CPUs", env.cpus, machine.cpus),
        ("nodes", env.nodes, 1),
    )
    lacking = [(what, wanted, have) for what, wanted, have in needs if wanted > have]
    if lacking:
        wants = ", ".join(f"{wanted} {what}" for what, wanted, _ in lacking)
        haves = ", ".join(f"{have} {what}" for what, _, have in lacking)
        raise ConfigError(
            f"env={env.name} needs {wants} per run; this machine has {haves}.\n"
            "  On a Slurm cluster:  python -m airr.evolve "
            f"env={env.name} cluster=slurm cluster.partition=...\n"
            "  On this machine:     python -m airr.evolve env=nanogpt_tiny"
        )
    return Local(slots)


def ideas_at_once(config: Config) -> int:
    """Return how many ideas are implemented side by side: in batches, all of an epoch."""
    at_once = config.implement.concurrent_ideas
    return max(at_once, config.search.ideas_per_epoch) if config.llm.batch else at_once


def gpu_bound(config: Config, book: Book) -> Bound:
    """Return the bound on GPU-hours of all runs."""
    return Bound(
        "budget.gpu_hours",
        config.budget.gpu_hours,
        book.gpu_hours,
        written="{:.2f}",
        unit=" GPU-hours",
    )


def run_hours(config: Config, runs: int = 1) -> Hours:
    """Return what runs of this config may take."""
    env = config.env
    return hours_of(
        runs,
        nodes=env.nodes,
        gpus=env.gpus,
        budget_seconds=env.budget_seconds,
        score_seconds=env.score_seconds,
    )


def check_data(config: Bench) -> None:
    """Refuse to begin before the environment's data is there.

    Raises:
        ConfigError: it is not; the message names the command that makes it.
    """
    for plan in (training_plan(config), preflight_plan(config)):
        for folder in (plan.train_data, plan.sealed_data):
            if not Path(folder).is_dir():
                raise ConfigError(
                    f"the data of env={config.env.name} is not there ({folder}): "
                    f"python -m airr.prepare env={config.env.name}"
                )


@asynccontextmanager
async def together(*background: Any) -> AsyncGenerator[None]:
    """Run coroutines beside the body; the first of them to fail ends the body with its error."""
    body = asyncio.current_task()
    assert body is not None
    tasks = [asyncio.ensure_future(one) for one in background]
    failed: list[BaseException] = []

    def on_end(task: asyncio.Future[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            failed.append(error)
            body.cancel()

    for task in tasks:
        task.add_done_callback(on_end)
    try:
        yield
    except asyncio.CancelledError:
        if failed:
            raise failed[0] from None
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
