"""A config -> the parts of a campaign, put together, and kept going while somebody uses them."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import platform
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airr.book import Book
from airr.budget import Bound, Purse, check_known_costs
from airr.campaign import Campaign
from airr.charter import open_charter
from airr.config import Config
from airr.executor.codebases import read_tree
from airr.executor.earlier import bar_for
from airr.executor.executor import Executor
from airr.executor.jobs import Scheduler
from airr.executor.mending import Mending
from airr.executor.plans import (
    env_folder,
    preflight_plan,
    rungs_of,
    training_plan,
    with_seals,
)
from airr.executor.preflight import Preflight
from airr.executor.restoring import Restoring
from airr.forecast import Hours, Left, hours_of
from airr.forks import begin_with, fork
from airr.headlog import logged_into
from airr.interrupts import undisturbed
from airr.lease import Lease
from airr.ledger import Ledger
from airr.llm.journal import Journal
from airr.loop import Loop
from airr.policy.prepared import model_folder
from airr.policy.settings import RlConfig
from airr.policy.stages import Stages
from airr.reinforcement import Reinforcement
from airr.roles import idea_questions, ideator_of, implementer_of
from airr.screens import halving_of
from airr.start import Start
from airr.tracker import Tracker
from airr.withdrawal import let_go
from airr.workspace import Workspace, write_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One campaign, held by its lease and running: what verbs and displays look at."""

    config: Config
    workspace: Workspace
    book: Book
    scheduler: Scheduler
    campaign: Loop[Any]
    place: str
    tracker: Tracker


@asynccontextmanager
async def take_the_head(start: Start) -> AsyncGenerator[Head]:
    """Hold a campaign and keep its scheduler going while the caller uses it.

    Whatever goes wrong in the background (a lost lease, a refusing cluster) ends the caller too,
    with that error. On leaving, the local machine's runs are ended and the lease is let go.

    Raises:
        AirrError: the campaign cannot be opened, or not be gone on with.
    """
    workspace = start.workspace
    workspace.create()
    lease = Lease.acquire(workspace.lease)
    try:
        charter = open_charter(workspace, start.raw, version=version("airr"), **start.hashes)
        if start.source:
            fork(start.source, workspace, start.config.search.ideas_per_epoch)
        if start.heritage:
            begin_with(start.heritage, workspace)
        if workspace.stopped.exists():
            workspace.stopped.unlink()
        with logged_into(workspace.log):
            head = assemble(start, charter.uid, lease)
            nodes = start.shared.nodes
            with _logged(head), nodes.counting(head.scheduler) if nodes else nullcontext():
                kept_going = together(head.scheduler.keep_going(), lease.keep())
                async with kept_going, head.tracker.at_work():
                    yield head
            head.book.enter()
            if head.campaign.stopped:
                write_atomically(workspace.stopped, head.campaign.stopped.encode())
    finally:
        await undisturbed(let_go(start.cluster, workspace, lease))
        lease.release()


@contextmanager
def _logged(head: Head) -> Generator[None]:
    """Have the log say when a head comes, how it finds its campaign, and how it leaves it."""
    place = f"airr {version('airr')}, process {os.getpid()} on {platform.node()}"
    begins = "goes on" if head.book.outcomes or head.book.ideas else "begins"
    log.info("%s %s: %s; %s", head.workspace.name, begins, place, _standing(head.book))
    try:
        yield
    except BaseException as error:
        log.info("the head is ended by %s; %s", repr(error), _standing(head.book))
        raise
    log.info("the head leaves; %s", _standing(head.book))


def _standing(book: Book) -> str:
    return f"{len(book.ideas)} ideas and {len(book.outcomes)} outcomes so far"


def assemble(start: Start, uid: str, lease: Lease) -> Head:
    """Put the parts of a campaign together; `uid` makes the names of its jobs unique."""
    config, workspace, prices = start.config, start.workspace, start.prices
    now = functools.partial(datetime.now, UTC)
    ledger = Ledger(workspace.ledger, guard=lease.check)
    journal = Journal(workspace.journal, start.providers, prices, guard=lease.check)
    check_known_costs(config.budget, journal.unpriced)
    book = Book(ledger, journal)
    purse = Purse(journal, prices, config.budget, book.lost_calls)
    rungs = tuple(replace(one, plan=with_seals(one.plan)) for one in rungs_of(config))
    mending = Mending(runs=config.implement.repair_runs, seconds=config.implement.repair_seconds)
    plan = with_seals(training_plan(config))
    Restoring(
        workspace=workspace,
        book=book,
        metric=config.env.metric,
        mending=mending,
    ).restore()
    scheduler = Scheduler(
        workspace=workspace,
        book=book,
        cluster=start.cluster,
        plan=plan,
        metric=config.env.metric,
        settings=config.cluster,
        seed=config.seed,
        uid=uid,
        clock=time.time,
        rungs=rungs,
        bar_for=functools.partial(bar_for, config, book),
        limit=start.shared.nodes,
        mending=mending,
    )
    gpu = gpu_bound(config, book)
    preflight = Preflight(
        with_seals(preflight_plan(config)),
        uid=uid,
        seed=config.seed,
        room=start.shared.preflights,
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
        gpu=gpu,
        run_gpu_hours=run_hours(config).gpu_most,
        now=now,
        rungs=rungs,
        halving=halving_of(config),
    )
    if isinstance(config, RlConfig):
        campaign = Reinforcement(
            config=config,
            book=book,
            executor=executor,
            workspace=workspace,
            stages=Stages(workspace, start.cluster, config.cluster, uid=uid, clock=time.monotonic),
            questions=idea_questions(config),
            model=model_folder(config.policy, Path(config.data), env_folder(config)),
            gpu=gpu,
            now=now,
        )
    else:
        ideator = ideator_of(config, ask=purse.ask, now=now)
        campaign = Campaign(config=config, book=book, ideator=ideator, executor=executor)
    return Head(
        config=config,
        workspace=workspace,
        book=book,
        scheduler=scheduler,
        campaign=campaign,
        place=start.cluster.place,
        tracker=Tracker(workspace, config.wandb, os.environ, lambda: len(book.outcomes)),
    )


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


def hours_to_come(config: Config, left: Left) -> Hours:
    """Return what all runs may take that are left, those of a screen included."""
    hours = run_hours(config, left.most_runs)
    for rung, runs in zip(rungs_of(config), left.screens, strict=True):
        plan = rung.plan
        hours += hours_of(
            sum(runs),
            nodes=plan.nodes,
            gpus=plan.gpus,
            budget_seconds=plan.budget_seconds,
            score_seconds=plan.score_seconds,
        )
    return hours


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
