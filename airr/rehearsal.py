"""A dry run: all that a campaign would submit, ask and spend, found out without doing any of it.

The settings are checked as for a real run. The script comes from the code that submits it and
the prompts from the code that sends them; the numbers are those of the ledger, read only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airr.cluster.protocol import JobArray, Preview
from airr.cohorts import cohorts_of
from airr.config import Config
from airr.estimates import seeding_of
from airr.executor.arrays import MOST_AT_ONCE, array_of, next_batch_name
from airr.executor.openruns import open_runs_in
from airr.executor.plans import rungs_of, training_plan
from airr.forecast import Left, left_of
from airr.forks import Heritage, heritage_of
from airr.lease import Holder, holder_of
from airr.ledger import read_records
from airr.llm.protocol import Request
from airr.packing import Packing
from airr.policy.settings import RlConfig
from airr.records import Idea, Origin, OutcomeRow, Patch, Screening, outcomes_of
from airr.researcher.questions import Conversation
from airr.researcher.strategy import IdeaRequest, fresh
from airr.roles import idea_questions, patch_questions
from airr.screens import screen_so_far
from airr.start import Start, start_of
from airr.workspace import Workspace

UNKNOWN_UID = "xxxxxx"
"""Stands in names for what is drawn by lot when a campaign is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a start of this campaign would do. `array` is None where nothing is left to submit.

    `packing` is how the runs of that array share its tasks. `largest_array` is None where the
    scheduler did not answer. `untried` are the roles whose keys nobody has accepted yet.
    """

    config: Config
    workspace: Workspace
    is_new: bool
    holder: Holder | None
    place: str
    untried: tuple[str, ...]
    left: Left
    open_runs: int
    largest_array: int | None
    packing: Packing | None
    array: JobArray | None
    preview: Preview | None
    ideation: Request
    implementation: Request


def rehearse(
    config: Config,
    raw: Mapping[str, Any],
    forked_from: str | None = None,
    heritage: Heritage | None = None,
) -> Rehearsal:
    """Find out what a start with the same arguments would lead to.

    Raises:
        AirrError: it would be refused, for the same reason.
    """
    start = start_of(config, raw, forked_from, heritage=heritage)
    config, workspace, charter = start.config, start.workspace, start.charter
    if start.source and not charter:
        heritage = heritage_of(start.source, config.search.ideas_per_epoch)
    left = _left(config, workspace) if charter or not heritage else _left_of(config, heritage)
    open_runs = len(open_runs_in(workspace))
    largest = asyncio.run(start.cluster.largest_array())
    packing = _next_packing(left.stretches, config.cluster.pack, largest)
    rung = next((rung for runs, rung in left.in_order if runs), None)
    array = _next_array(start, packing, rung) if packing else None
    preview = asyncio.run(start.cluster.preview(array)) if array else None
    ideation, implementation = _first_questions(config)
    return Rehearsal(
        config=config,
        workspace=workspace,
        is_new=charter is None,
        holder=holder_of(workspace.lease),
        place=start.cluster.place,
        untried=start.untried,
        left=left,
        open_runs=open_runs,
        largest_array=largest,
        packing=packing,
        array=array,
        preview=preview,
        ideation=ideation,
        implementation=implementation,
    )


def _left(config: Config, known: Workspace) -> Left:
    return left_of(
        cohorts_of(config.search),
        read_records(known.ledger, Idea),
        outcomes_of(read_records(known.ledger, OutcomeRow)),
        seeding=seeding_of(config.search),
        metric=config.env.metric,
        patched={patch.idea_id for patch in read_records(known.ledger, Patch) if patch.applied},
        screen=screen_so_far(config, read_records(known.ledger, Screening)),
    )


def _left_of(config: Config, heritage: Heritage) -> Left:
    """Return what is left for a campaign that begins with these rows."""
    return left_of(
        cohorts_of(config.search),
        heritage.ideas,
        outcomes_of(heritage.outcomes),
        seeding=seeding_of(config.search),
        metric=config.env.metric,
        screen=screen_so_far(config),
    )


def _next_packing(stretches: Sequence[int], pack: int, largest: int | None) -> Packing | None:
    """Return how the runs of the largest array that may come next share its tasks."""
    runs = min(next(filter(None, stretches), 0), MOST_AT_ONCE, pack * (largest or MOST_AT_ONCE))
    return Packing(runs=runs, most=pack) if runs else None


def _next_array(start: Start, packing: Packing, rung: int | None) -> JobArray:
    uid = start.charter.uid if start.charter else UNKNOWN_UID
    name = next_batch_name(start.workspace, uid)
    config = start.config
    return array_of(
        training_plan(config) if rung is None else rungs_of(config)[rung].plan,
        packing,
        name=name,
        folder=start.workspace.batch(name),
        tasks=range(packing.tasks),
    )


def _first_questions(config: Config) -> tuple[Request, Request]:
    """Return the first request for ideas, and the first for a diff of an idea that is not yet."""
    idea = Idea(
        id="e00-i000",
        epoch=0,
        text="(here stands the idea)",
        origin=Origin.FRESH,
        parents=(),
        model=config.llm.ideator.model,
        thinking_tokens=0,
        idea_tokens=0,
        prompt_hash="",
        call_id="",
        created_at=datetime.now(UTC),
    )
    if isinstance(config, RlConfig):
        asked = IdeaRequest(origin=Origin.RL, count=1)
    else:
        asked = fresh(config.search)[0]
    conversation = Conversation.of(asked, 0, 0, "(here stands its score)", ())
    return idea_questions(config).next(conversation), patch_questions(config).first(idea, 0)
