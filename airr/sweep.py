"""Campaigns side by side in one process: each with its own head, folder and log.

They share what `airr.shared` says: one limit on nodes (`cluster.max_nodes`, see
airr/executor/node_limit.py), or this machine's slots. What ends one of them ends no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airr.config import Config
from airr.errors import AirrError, ConfigError, Occupied
from airr.head import Head, take_the_head
from airr.shared import Shared, shared_by
from airr.start import Start, start_of
from airr.turn import Turn, take_a_turn


@dataclass(slots=True, kw_only=True)
class Lane:
    """One campaign of a sweep: how it is started, and what has become of it."""

    config: Config
    raw: Mapping[str, Any]
    forked_from: str | None
    head: Head | None = None
    turn: Turn | None = None
    failure: AirrError | OSError | None = None

    @property
    def folder(self) -> Path:
        """Return the campaign's folder."""
        return Path(self.config.root) / self.config.campaign


def check_apart(lanes: Sequence[Lane]) -> None:
    """Refuse two campaigns in one folder.

    Raises:
        ConfigError: it is so.
    """
    folders = [lane.folder for lane in lanes]
    if same := next((one for one in folders if folders.count(one) > 1), None):
        alike = [lane.raw for lane in lanes if lane.folder == same]
        if all(raw == alike[0] for raw in alike):
            raise ConfigError(
                f"{same} is in this sweep {len(alike)} times, with the same settings: "
                "a value stands twice behind -m, leave one out"
            )
        raise ConfigError(
            f"two campaigns of this sweep are called {same}: let the name say what differs, such "
            "as campaign='small-${search.ideas_per_epoch}-s${seed}'"
        )


async def run_side_by_side(lanes: Sequence[Lane], *, once: bool) -> None:
    """Take every campaign to its end, or with `once` by one turn.

    Raises:
        AirrError: two are the same campaign, they do not agree on what they share, or one of them
            may not start. None has begun.
    """
    check_apart(lanes)
    shared = shared_by([lane.config for lane in lanes])
    starts = [_start_of(lane, shared) for lane in lanes]
    async with asyncio.TaskGroup() as campaigns:
        for lane, start in zip(lanes, starts, strict=True):
            campaigns.create_task(_run(lane, start, once=once))


def _start_of(lane: Lane, shared: Shared) -> Start:
    try:
        return start_of(lane.config, lane.raw, lane.forked_from, shared)
    except AirrError as error:
        named = f"campaign {lane.config.campaign}"
        said = str(error) if str(error).startswith(named) else f"{named}: {error}"
        raise type(error)(said) from error


async def _run(lane: Lane, start: Start, *, once: bool) -> None:
    try:
        async with take_the_head(start) as head:
            lane.head = head
            if once:
                lane.turn = await take_a_turn(head)
            else:
                await head.campaign.run()
    except Occupied as error:
        lane.failure = None if once else error  # a turn is not missed where a head is at work
    except (AirrError, OSError) as error:
        lane.failure = error
