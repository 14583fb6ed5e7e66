"""`python -m airr.wandb`: a campaign, mirrored to Weights & Biases; again, only what is new."""

from __future__ import annotations

from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Send what has not been sent yet of a campaign."""
    import functools  # noqa: PLC0415 - --help needs none of these
    import os  # noqa: PLC0415

    from airr.tracking.sync import sync  # noqa: PLC0415

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # reports of wandb on itself
    sync(raw, os.environ, tell=functools.partial(print, flush=True))


if __name__ == "__main__":
    run_verb("wandb", main)
