"""One turn of the loop: all that need not wait for the cluster is done, and the rest is left.

Results are collected, the queue is looked at, models are asked for the next ideas once an epoch
is complete, and what is ready is submitted. Jobs go on without a head; the next turn finds them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from airr.config import Config, LocalSettings
from airr.errors import ConfigError
from airr.head import Head

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn did, in numbers, and whether the campaign is complete.

    `stage` is the one whose own job it waits for, where a policy is trained.
    """

    outcomes: int
    proposed: int
    implemented: int
    submitted: int
    stage: str
    is_complete: bool


def check_turns(config: Config) -> None:
    """Refuse turns where jobs do not outlive the head.

    Raises:
        ConfigError: this is such a place.
    """
    if isinstance(config.cluster.own, LocalSettings):
        raise ConfigError(
            "once=true leaves the jobs to the cluster, but with cluster=local they end with "
            "their head: leave it out, or choose cluster=slurm"
        )


async def take_a_turn(head: Head) -> Turn:
    """Run a campaign until it is complete, or nothing is left to do but to wait for jobs.

    Raises:
        AirrError: it cannot go on; what was done until then is kept.
    """
    book, runs = head.book, head.scheduler.open
    before = (len(book.outcomes), len(book.ideas), len(book.patched), {*runs, *book.runs})
    loop = asyncio.create_task(head.campaign.run())
    stage = ""
    try:
        while not (loop.done() or head.campaign.waits_for_the_cluster):
            await asyncio.wait([loop], timeout=LOOK_SECONDS)
        stage = head.campaign.stage
        if loop.done():
            loop.result()
    finally:
        is_complete = loop.done()
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    return Turn(
        outcomes=len(book.outcomes) - before[0],
        proposed=len(book.ideas) - before[1],
        implemented=len(book.patched) - before[2],
        submitted=len({*head.scheduler.open, *book.runs} - before[3]),
        stage=stage,
        is_complete=is_complete,
    )
