"""`python -m airr.rl`: trains the model that proposes; the same command again goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Train the policy to the end of its last epoch, and say what came of it."""
    from airr.closed_loop import run  # noqa: PLC0415 - these take seconds, --help needs none
    from airr.policy.settings import parse_rl_config  # noqa: PLC0415

    run(raw, parse_rl_config)


def sweep(raws: Sequence[dict[str, Any]]) -> None:
    """Train policies side by side, and compare what they proposed."""
    from airr.closed_loop import run_sweep  # noqa: PLC0415
    from airr.policy.settings import parse_rl_config  # noqa: PLC0415

    run_sweep(raws, parse_rl_config)


if __name__ == "__main__":
    run_verb("rl", main, groups=("llm", "cluster"), sweep=sweep, rehearses=True)
