"""`python -m airr.status`: where a campaign stands, from its files and one look at the queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Print where one campaign, or every campaign below the root, stands."""
    import asyncio  # noqa: PLC0415 - --help needs none of these
    import os  # noqa: PLC0415

    from airr.cluster.queue import look_at_queue  # noqa: PLC0415
    from airr.display.screen import Screen  # noqa: PLC0415
    from airr.display.standing import queued_batches, standing_of  # noqa: PLC0415
    from airr.errors import WorkspaceError  # noqa: PLC0415
    from airr.workspace import Workspace, campaign_folder, names_in  # noqa: PLC0415

    root = Path(raw["root"])
    named = raw["campaign"]
    folders = [campaign_folder(root, named)] if named else [root / name for name in names_in(root)]
    workspaces = [Workspace(folder) for folder in folders]
    found = [workspace for workspace in workspaces if named or workspace.config.exists()]
    if not found:
        raise WorkspaceError(f"no campaign below {root}: start one with python -m airr.evolve")
    queued = {workspace: queued_batches(workspace) for workspace in found}
    names = sorted(set().union(*queued.values()))
    owners = {workspace.config.stat().st_uid for workspace in found if queued[workspace]}
    queue = None
    if names:
        queue = asyncio.run(look_at_queue(names, owners, os.environ, raw["patience"]))
    screen = Screen()
    for workspace in found:
        try:
            standing = standing_of(workspace, queue if queued[workspace] else None)
        except WorkspaceError as error:
            if named:
                raise
            standing = f"{workspace.name}: {error}\n"
        screen.print(standing, soft_wrap=True)


if __name__ == "__main__":
    run_verb("status", main)
