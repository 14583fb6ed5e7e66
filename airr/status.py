"""`python -m airr.status`: where a campaign stands, from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Print where one campaign, or every campaign below the root, stands."""
    from rich.console import Console  # noqa: PLC0415 - --help needs none of these

    from airr.display.standing import standing_of  # noqa: PLC0415
    from airr.errors import WorkspaceError  # noqa: PLC0415
    from airr.workspace import Workspace, campaign_folder, names_in  # noqa: PLC0415

    root = Path(raw["root"])
    named = raw["campaign"]
    folders = [campaign_folder(root, named)] if named else [root / name for name in names_in(root)]
    workspaces = [Workspace(folder) for folder in folders]
    found = [workspace for workspace in workspaces if named or workspace.config.exists()]
    if not found:
        raise WorkspaceError(f"no campaign below {root}: start one with python -m airr.evolve")
    console = Console()
    for workspace in found:
        console.print(standing_of(workspace), soft_wrap=True)


if __name__ == "__main__":
    run_verb("status", main)
