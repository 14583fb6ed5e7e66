"""`python -m airr.evolve`: the closed loop; the same command again goes on where it stopped."""

from __future__ import annotations

from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Run a campaign to the end of its last epoch, and say what came of it."""
    import asyncio  # noqa: PLC0415 - these take seconds, and --help needs none of them

    from airr.config import parse_config  # noqa: PLC0415
    from airr.display.live import follow  # noqa: PLC0415
    from airr.head import take_the_head  # noqa: PLC0415

    forked_from = raw.pop("fork")
    config = parse_config(raw)

    async def evolve() -> None:
        async with take_the_head(config, raw, forked_from) as head, follow(head):
            await head.campaign.run()

    asyncio.run(evolve())


if __name__ == "__main__":
    run_verb("evolve", main, groups=("llm", "cluster"))
