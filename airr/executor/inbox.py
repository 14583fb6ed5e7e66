"""Workers' results, as they lie in the inbox: hostile until they prove to be results."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

from airr.batch import Result
from airr.foreign import content_of
from airr.workspace import Workspace, names_in

log = logging.getLogger(__name__)
TRANSIENT = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT})
"""Errors of a disk or a file server: they tell nothing of what the file holds."""

LARGEST_RESULT = 16_000_000
"""Bytes; a worker keeps a few kB of its log."""
LONGEST_NAME = 200


def read_inbox(workspace: Workspace) -> list[Result]:
    """Return every result in the inbox; what is none is named and set aside."""
    paths = [workspace.inbox / name for name in names_in(workspace.inbox)]
    return [result for path in paths if (result := _read(workspace, path)) is not None]


def file_away(workspace: Workspace, result: Result) -> None:
    """Move a result that the ledger holds beside its batch, where the raw record stays."""
    source = workspace.result(result.key)
    source.replace(workspace.batch(result.batch) / source.name)


def _read(workspace: Workspace, path: Path) -> Result | None:
    try:
        return _result_in(workspace, path)
    except FileNotFoundError:
        return None  # taken away since it was listed
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in TRANSIENT:
            log.warning("%s cannot be read now, and is looked at again: %s", path, error)
            return None
        log.warning("%s is no worker's result and is set aside: %s", path, error)
        path.rename(path.with_name(f".aside-{path.name[:LONGEST_NAME]}"))
        return None


def _result_in(workspace: Workspace, path: Path) -> Result:
    result = Result.from_json(content_of(path, LARGEST_RESULT))
    is_of_a_batch = workspace.batch(result.batch).is_dir()
    if path.name != f"{result.key.name}.json" or not is_of_a_batch:
        raise ValueError(f"it claims to be {result.key.name} of {result.batch}")
    return result
