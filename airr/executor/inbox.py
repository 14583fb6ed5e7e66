"""Workers' results, as they lie in the inbox: hostile until they prove to be results."""

from __future__ import annotations

import logging
from pathlib import Path

from airr.batch import Result
from airr.workspace import Workspace, names_in

log = logging.getLogger(__name__)


def read_inbox(workspace: Workspace) -> list[Result]:
    """Return every result in the inbox; what is none is named and set aside."""
    paths = [workspace.inbox / name for name in names_in(workspace.inbox)]
    return [result for path in paths if (result := _read(path)) is not None]


def file_away(workspace: Workspace, result: Result) -> None:
    """Move a result that the ledger holds beside its batch, where the raw record stays."""
    source = workspace.result(result.key)
    source.replace(workspace.batch(result.batch) / source.name)


def _read(path: Path) -> Result | None:
    try:
        result = Result.from_json(path.read_bytes())
        if path.name != f"{result.key.name}.json" or "/" in result.batch:
            raise ValueError(f"it claims to be {result.key.name} of {result.batch}")  # noqa: TRY301
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is no worker's result and is set aside: %r", path, error)
        path.rename(path.with_name(f".aside-{path.name}"))
        return None
    return result
