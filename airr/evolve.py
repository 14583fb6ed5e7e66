"""`python -m airr.evolve`: the closed loop; the same command again goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Run a campaign to the end of its last epoch, and say what came of it."""
    from airr.closed_loop import run  # noqa: PLC0415 - these take seconds, --help needs none
    from airr.parsing import parse_config  # noqa: PLC0415

    run(raw, parse_config)


def sweep(raws: Sequence[dict[str, Any]]) -> None:
    """Run campaigns side by side, and compare them."""
    from airr.closed_loop import run_sweep  # noqa: PLC0415
    from airr.parsing import parse_config  # noqa: PLC0415

    run_sweep(raws, parse_config)


if __name__ == "__main__":
    run_verb("evolve", main, groups=("llm", "cluster"), sweep=sweep, rehearses=True)
