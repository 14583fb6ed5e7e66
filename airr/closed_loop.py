"""What `airr.evolve` and `airr.rl` do alike with what was asked for: run it, by turns or rehearsed.

Campaigns of both kinds, one or several side by side: `parse` makes of the composed settings those
of the kind.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airr import interrupts
from airr.config import Config
from airr.display import lanes as side_by_side
from airr.display import live, rehearsal, turned
from airr.errors import AirrError, Occupied
from airr.head import take_the_head
from airr.rehearsal import rehearse
from airr.start import start_of
from airr.sweep import Lane, check_apart, run_side_by_side
from airr.turn import check_turns, take_a_turn
from airr.verb import BUDGET_SPENT, pop_dry_run, pop_flag

Parse = Callable[[Mapping[str, Any]], Config]


def run(raw: dict[str, Any], parse: Parse) -> None:
    """Run a campaign to the end of its last epoch, and say what came of it.

    Exits with BUDGET_SPENT where a bound of the budget ended it.

    Raises:
        AirrError: it may not begin, or cannot go on.
    """
    forked_from, once = raw.pop("fork", None), pop_flag(raw, "once")
    dry_run = pop_dry_run(raw, "prompts")
    config = parse(raw)
    if once:
        check_turns(config)
    if dry_run:
        _rehearse(config, raw, forked_from, whole_prompts=dry_run == "prompts")
        return
    if once:
        _take_one_turn(config, raw, forked_from)
        return
    start = start_of(config, raw, forked_from)

    async def to_the_end() -> str:
        async with take_the_head(start) as head, live.follow(head, sys.argv[1:]):
            await head.campaign.run()
        live.tell_of_wandb(head)
        return head.campaign.stopped

    _exit_if(interrupts.run(to_the_end()))


def run_sweep(raws: Sequence[dict[str, Any]], parse: Parse) -> None:
    """Run campaigns side by side, and compare them.

    Raises:
        AirrError, OSError: one of them failed; the others have been run to their end.
    """
    dry_runs = [pop_dry_run(raw, "prompts") for raw in raws]
    asked = [(raw.pop("fork", None), pop_flag(raw, "once")) for raw in raws]
    once = any(once for _, once in asked)
    lanes = [
        Lane(config=parse(raw), raw=raw, forked_from=source)
        for raw, (source, _) in zip(raws, asked, strict=True)
    ]
    if once:
        for lane in lanes:
            check_turns(lane.config)
    if any(dry_runs):
        check_apart(lanes)
        for lane, dry_run in zip(lanes, dry_runs, strict=True):
            _rehearse(lane.config, lane.raw, lane.forked_from, whole_prompts=dry_run == "prompts")
        return

    async def to_their_end() -> None:
        async with side_by_side.follow(lanes):
            await run_side_by_side(lanes, once=once)

    interrupts.run(to_their_end())
    failures = [lane.failure for lane in lanes if lane.failure]
    for failure in sorted(failures, key=lambda one: isinstance(one, AirrError)):
        raise failure
    _exit_if("".join(lane.head.campaign.stopped for lane in lanes if lane.head))


def _rehearse(
    config: Config, raw: Mapping[str, Any], forked_from: str | None, *, whole_prompts: bool
) -> None:
    found = rehearse(config, raw, forked_from)
    print(rehearsal.told_of(found, whole_prompts=whole_prompts))  # noqa: T201 - the verb's output


def _take_one_turn(config: Config, raw: dict[str, Any], forked_from: str | None) -> None:
    """Do what need not wait for the cluster; beside a living head, nothing."""
    start = start_of(config, raw, forked_from)

    async def turn() -> tuple[str, str]:
        async with take_the_head(start) as head:
            return turned.told_of(head, await take_a_turn(head)), head.campaign.stopped

    try:
        said, stopped = interrupts.run(turn())
    except Occupied as error:
        said, stopped = f"{error}\nthis turn has nothing to do", ""
    print(said)  # noqa: T201 - the verb's output
    _exit_if(stopped)


def _exit_if(stopped: str) -> None:
    """End with the status that says so if a bound of the budget was reached; it was told."""
    if stopped:
        sys.exit(BUDGET_SPENT)
