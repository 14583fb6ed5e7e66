"""`python -m airr.trajectories`: published trajectories as a campaign, and a campaign as those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Import a file into a new campaign, or export a campaign into a file."""
    from airr.errors import ConfigError  # noqa: PLC0415 - --help needs none of these

    if (raw["import"] is None) == (raw["export"] is None):
        raise ConfigError("say one of import=FILE and export=FILE")
    told = _imported(raw) if raw["export"] is None else _exported(raw)
    print(told)  # noqa: T201 - the verb's output


def _imported(raw: dict[str, Any]) -> str:
    from airr.exchange.importing import import_file  # noqa: PLC0415
    from airr.exchange.intake import Only  # noqa: PLC0415
    from airr.parsing import parse  # noqa: PLC0415
    from airr.places import campaign_said  # noqa: PLC0415

    workspace = campaign_said(raw)
    only = parse(Only, raw["only"], at="only.")
    return import_file(Path(str(raw["import"])), workspace, only, raw["baseline"])


def _exported(raw: dict[str, Any]) -> str:
    from airr.exchange.files import write_rows  # noqa: PLC0415
    from airr.exchange.outgoing import outgoing_of  # noqa: PLC0415
    from airr.places import campaign_said  # noqa: PLC0415

    workspace = campaign_said(raw)
    path = Path(str(raw["export"]))
    found = outgoing_of(workspace)
    write_rows(path, found.rows)
    left_out = {
        f"{found.open} ideas are left out: they have no outcome yet": found.open,
        f"{found.withheld} scores are withheld, and went out as none": found.withheld,
    }
    notes = [note for note, holds in left_out.items() if holds]
    return "\n  ".join([f"{path}: {len(found.rows)} rows", *notes])


if __name__ == "__main__":
    run_verb("trajectories", main)
