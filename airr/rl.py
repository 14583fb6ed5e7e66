"""`python -m airr.rl`: trains the model that proposes; the same command again goes on."""

from __future__ import annotations

import sys
from typing import Any

from airr import interrupts
from airr.verb import BUDGET_SPENT, pop_dry_run, run_verb


def main(raw: dict[str, Any]) -> None:
    """Train the policy to the end of its last epoch, and say what came of it."""
    from airr.display.live import follow, tell_of_wandb  # noqa: PLC0415
    from airr.head import take_the_head  # noqa: PLC0415
    from airr.policy.settings import parse_rl_config  # noqa: PLC0415 - --help needs none of these
    from airr.start import start_of  # noqa: PLC0415

    dry_run = pop_dry_run(raw, "prompts")
    config = parse_rl_config(raw)
    if dry_run:
        from airr.display.rehearsal import told_of  # noqa: PLC0415
        from airr.rehearsal import rehearse  # noqa: PLC0415

        print(told_of(rehearse(config, raw), whole_prompts=dry_run == "prompts"))  # noqa: T201
        return
    start = start_of(config, raw)

    async def train() -> str:
        async with take_the_head(start) as head, follow(head, sys.argv[1:]):
            await head.campaign.run()
        tell_of_wandb(head)
        return head.campaign.stopped

    if interrupts.run(train()):
        sys.exit(BUDGET_SPENT)


if __name__ == "__main__":
    run_verb("rl", main, groups=("llm", "cluster"), rehearses=True)
