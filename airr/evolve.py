"""`python -m airr.evolve`: the closed loop; the same command again goes on where it stopped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airr import interrupts
from airr.errors import AirrError
from airr.verb import BUDGET_SPENT, pop_dry_run, pop_flag, run_verb

if TYPE_CHECKING:
    from airr.config import Config


def main(raw: dict[str, Any]) -> None:
    """Run a campaign to the end of its last epoch, and say what came of it."""
    from airr.display.live import follow, tell_of_wandb  # noqa: PLC0415
    from airr.head import take_the_head  # noqa: PLC0415
    from airr.parsing import parse_config  # noqa: PLC0415 - these take seconds, --help needs none
    from airr.start import start_of  # noqa: PLC0415
    from airr.turn import check_turns  # noqa: PLC0415

    forked_from, once = raw.pop("fork"), pop_flag(raw, "once")
    dry_run = pop_dry_run(raw, "prompts")
    config = parse_config(raw)
    if once:
        check_turns(config)
    if dry_run:
        _rehearse(config, raw, forked_from, whole_prompts=dry_run == "prompts")
        return
    if once:
        _take_one_turn(config, raw, forked_from)
        return

    start = start_of(config, raw, forked_from)

    async def evolve() -> str:
        async with take_the_head(start) as head, follow(head, sys.argv[1:]):
            await head.campaign.run()
        tell_of_wandb(head)
        return head.campaign.stopped

    _exit_if(interrupts.run(evolve()))


def _exit_if(stopped: str) -> None:
    """End with the status that says so if a bound of the budget was reached; it was told."""
    if stopped:
        sys.exit(BUDGET_SPENT)


def sweep(raws: Sequence[dict[str, Any]]) -> None:
    """Run campaigns side by side, and compare them.

    Raises:
        AirrError, OSError: one of them failed; the others have been run to their end.
    """
    from airr.display.lanes import follow  # noqa: PLC0415
    from airr.parsing import parse_config  # noqa: PLC0415
    from airr.sweep import Lane, run_side_by_side  # noqa: PLC0415
    from airr.turn import check_turns  # noqa: PLC0415

    dry_runs = [pop_dry_run(raw, "prompts") for raw in raws]
    if any(dry_runs):
        for raw, dry_run in zip(raws, dry_runs, strict=True):
            main({**raw, "dry_run": dry_run})
        return
    asked = [(raw.pop("fork"), pop_flag(raw, "once")) for raw in raws]
    once = any(once for _, once in asked)
    lanes = [
        Lane(config=parse_config(raw), raw=raw, forked_from=source)
        for raw, (source, _) in zip(raws, asked, strict=True)
    ]
    if once:
        for lane in lanes:
            check_turns(lane.config)

    async def evolve() -> None:
        async with follow(lanes):
            await run_side_by_side(lanes, once=once)

    interrupts.run(evolve())
    failures = [lane.failure for lane in lanes if lane.failure]
    for failure in sorted(failures, key=lambda one: isinstance(one, AirrError)):
        raise failure
    _exit_if("".join(lane.head.campaign.stopped for lane in lanes if lane.head))


def _rehearse(
    config: Config, raw: dict[str, Any], forked_from: str | None, *, whole_prompts: bool
) -> None:
    """Say what would be done, and do nothing."""
    from airr.display.rehearsal import told_of  # noqa: PLC0415
    from airr.rehearsal import rehearse  # noqa: PLC0415

    found = rehearse(config, raw, forked_from)
    print(told_of(found, whole_prompts=whole_prompts))  # noqa: T201 - the verb's output


def _take_one_turn(config: Config, raw: dict[str, Any], forked_from: str | None) -> None:
    """Do what need not wait for the cluster; beside a living head, nothing."""
    from airr.display.turned import told_of  # noqa: PLC0415
    from airr.errors import Occupied  # noqa: PLC0415
    from airr.head import take_the_head  # noqa: PLC0415
    from airr.start import start_of  # noqa: PLC0415
    from airr.turn import take_a_turn  # noqa: PLC0415

    start = start_of(config, raw, forked_from)

    async def turn() -> tuple[str, str]:
        async with take_the_head(start) as head:
            return told_of(head, await take_a_turn(head)), head.campaign.stopped

    try:
        said, stopped = interrupts.run(turn())
    except Occupied as error:
        said, stopped = f"{error}\nthis turn has nothing to do", ""
    print(said)  # noqa: T201 - the verb's output
    _exit_if(stopped)


if __name__ == "__main__":
    run_verb("evolve", main, groups=("llm", "cluster"), sweep=sweep, rehearses=True)
