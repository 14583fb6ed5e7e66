"""`python -m airr.status`: where campaigns stand, from their files and one look at the queue."""

from __future__ import annotations

from typing import Any

from airr.verb import pop_flag, run_verb

FLAGS = {"--json": "json=true", "--watch": "watch=true"}
"""What others call these settings."""


def main(raw: dict[str, Any]) -> None:
    """Print where one campaign, or every campaign below the root, stands."""
    import json  # noqa: PLC0415 - --help needs none of these
    import os  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    from airr.display.screen import Screen  # noqa: PLC0415
    from airr.errors import ConfigError  # noqa: PLC0415
    from airr.places import folder_said, text_said  # noqa: PLC0415
    from airr.reporting.looking import Looker  # noqa: PLC0415
    from airr.reporting.standing_lines import document_of, shown  # noqa: PLC0415
    from airr.reporting.watching import watch  # noqa: PLC0415

    as_json, is_watching = pop_flag(raw, "json"), pop_flag(raw, "watch")
    looker = Looker(
        root=folder_said(raw, "root"),
        named=None if raw["campaign"] is None else text_said(raw, "campaign"),
        patience=raw["patience"],
        environment=os.environ,
    )
    if as_json and is_watching:
        raise ConfigError("json=true and watch=true: one document, or a terminal; choose one")
    if is_watching:
        watch(looker, Screen())
        return
    if as_json:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        document = document_of(looker.look(), made_at=now, version=version("airr"))
        print(json.dumps(document, allow_nan=False, indent=1))  # noqa: T201 - the verb's output
        return
    screen = Screen()
    for standing in looker.look_at_some():
        screen.print(shown(standing), soft_wrap=True)


if __name__ == "__main__":
    run_verb("status", main, short=FLAGS)
