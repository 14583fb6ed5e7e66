"""The settings of `python -m airr.wandb` -> a campaign sent, and what was done told in lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airr.charter import Charter, read_charter
from airr.config import WandbMode
from airr.errors import AirrError, ConfigError, WorkspaceError
from airr.llm.reach import trouble_with
from airr.places import campaign_said
from airr.tracker import choose, server_of
from airr.tracking.mirror import mirror
from airr.tracking.mirrored import Destination
from airr.tracking.sent import Sent
from airr.workspace import Workspace

PROJECT = "airr"
"""The project of campaigns of before there was a setting for it."""


def sync(
    raw: Mapping[str, Any], environment: Mapping[str, str], tell: Callable[[str], object]
) -> None:
    """Send what is new of a campaign, and tell of it.

    Raises:
        AirrError: there is no campaign, no key, no server, or wandb did not take a run.
    """
    workspace = campaign_said(raw)
    charter = read_charter(workspace)
    if "search" not in charter.config:
        raise WorkspaceError(
            f"{workspace.folder} is a measurement; searches are mirrored to wandb: "
            "airr.ledger.load opens it in Python"
        )
    to = _destination(raw, workspace, charter, environment)
    server = "files" if to.offline else server_of(environment)
    if not to.offline and (trouble := trouble_with(server)):
        raise AirrError(f"{server} cannot be reached ({trouble}); mode=offline needs no net")
    folder = workspace.folder / "wandb"
    folder.mkdir(exist_ok=True)
    sent = Sent(folder, f"{server}, project {'/'.join(filter(None, (to.entity, to.project)))}")
    count = _sent(workspace, to, sent, tell)
    tell(_closing(count, folder, offline=to.offline))


def _destination(
    raw: Mapping[str, Any], workspace: Workspace, charter: Charter, environment: Mapping[str, str]
) -> Destination:
    try:
        asked = WandbMode(raw["mode"])
    except ValueError as error:
        modes = ", ".join(WandbMode)
        raise ConfigError(f"mode={raw['mode']}: choose one of {modes}") from error
    choice = choose(asked, environment)
    if choice.mode is WandbMode.DISABLED:
        said = choice.why or "mode=disabled"
        raise ConfigError(f"nothing is sent to wandb: {said}; mode=offline writes files instead")
    settings = charter.section("wandb")
    return Destination(
        offline=choice.mode is WandbMode.OFFLINE,
        project=raw["project"] or settings.get("project") or PROJECT,
        entity=raw["entity"] or settings.get("entity"),
        folder=workspace.folder,
    )


def _sent(workspace: Workspace, to: Destination, sent: Sent, tell: Callable[[str], object]) -> int:
    try:
        return mirror(workspace, to, sent, tell)
    except (AirrError, OSError):
        raise
    except Exception as error:  # wandb has no one type for what goes wrong in it
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise AirrError(
            f"wandb did not take a run ({said}): is the key that of this server and project? "
            f"{to.folder}/wandb/debug-internal.log says more; the same command sends the rest"
        ) from error


def _closing(count: int, folder: Path, *, offline: bool) -> str:
    if not count:
        return "nothing new: every experiment has been sent before"
    if offline:
        return f"{count} written; where there is internet: wandb sync {folder}/offline-run-*"
    return f"{count} sent"
