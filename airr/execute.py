"""`python -m airr.execute`: the executor alone, a file of ideas in, a table out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airr import interrupts
from airr.errors import ConfigError
from airr.verb import BUDGET_SPENT, pop_dry_run, pop_flag, run_verb

if TYPE_CHECKING:
    from airr.config import Config
    from airr.forks import Heritage


def main(raw: dict[str, Any]) -> None:
    """Implement and measure the ideas of a file, and say what came of them."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from airr.exchange.ideas import read_ideas  # noqa: PLC0415 - --help needs none of these
    from airr.parsing import parse_config  # noqa: PLC0415

    file, dry_run = raw.pop("ideas"), pop_dry_run(raw, "prompts")
    _check_settings(file, raw.pop("fork"), once=pop_flag(raw, "once"))
    heritage = read_ideas(Path(str(file)), datetime.now(UTC))
    size = {"epochs": 1, "ideas_per_epoch": len(heritage.ideas)}
    raw = {**raw, "search": {**raw["search"], **size}}
    config = parse_config(raw)
    if dry_run:
        _rehearse(config, raw, heritage, whole_prompts=dry_run == "prompts")
        return
    _execute(config, raw, heritage)


def _check_settings(file: Any, forked_from: Any, *, once: bool) -> None:
    if file is None:
        raise ConfigError("which ideas? ideas=FILE, .jsonl, .json, .parquet, .txt or .md")
    if forked_from is not None:
        raise ConfigError("fork= is for airr.evolve: here the ideas come from a file")
    if once:
        raise ConfigError(
            "once=true is for airr.evolve, which goes on with a campaign of airr.execute too: "
            "campaign=NAME search.epochs=1 search.ideas_per_epoch=THEIR_NUMBER"
        )


def _rehearse(
    config: Config, raw: dict[str, Any], heritage: Heritage, *, whole_prompts: bool
) -> None:
    from airr.display.rehearsal import told_of  # noqa: PLC0415
    from airr.rehearsal import rehearse  # noqa: PLC0415

    found = rehearse(config, raw, heritage=heritage)
    print(told_of(found, whole_prompts=whole_prompts))  # noqa: T201 - the verb's output


def _execute(config: Config, raw: dict[str, Any], heritage: Heritage) -> None:
    from airr.display.live import follow, tell_of_wandb  # noqa: PLC0415
    from airr.head import take_the_head  # noqa: PLC0415
    from airr.start import start_of  # noqa: PLC0415

    start = start_of(config, raw, heritage=heritage)
    named = f"campaign={config.campaign}", f"search.ideas_per_epoch={len(heritage.ideas)}"
    mine = ("ideas=", "campaign=", "search.ideas_per_epoch=")
    others = [argument for argument in sys.argv[1:] if not argument.startswith(mine)]

    async def execute() -> str:
        async with take_the_head(start) as head, follow(head, [*named, *others]):
            await head.campaign.run()
        tell_of_wandb(head)
        return head.campaign.stopped

    if interrupts.run(execute()):
        sys.exit(BUDGET_SPENT)


if __name__ == "__main__":
    run_verb("execute", main, groups=("llm", "cluster"), rehearses=True)
