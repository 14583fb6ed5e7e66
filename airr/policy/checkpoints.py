"""Checkpoints of the policy and its optimizer: whole or not there, verified when read, rotated.

policy/e03/                the weights after the update of epoch 3, as transformers saves them
policy/e03/optimizer.pt
policy/e03/manifest.json   the size and hash of every file of it, written last
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airr.errors import WorkspaceError
from airr.foreign import is_file_name, object_in, record_of
from airr.workspace import names_in, sync_directory, write_atomically

MANIFEST = "manifest.json"
NAME = re.compile(r"e\d{2,}")
HALF_SAVED = re.compile(r"\.e\d{2,}\.[0-9a-f]{8}")


def checkpoint_name(epoch: int) -> str:
    """Return the folder's name below policy/ for the weights after an epoch's update."""
    return f"e{epoch:02d}"


@contextmanager
def new_checkpoint(target: Path) -> Generator[Path]:
    """Yield a folder to save into; on leaving without an error it becomes `target`.

    One that is there already stays: it was made by another run of the same job.
    """
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    beside.mkdir(parents=True)
    try:
        yield beside
        files = {name: _sealed(beside / name) for name in names_in(beside)}
        write_atomically(beside / MANIFEST, json.dumps(files, indent=1).encode())
        if not is_whole(target):
            shutil.rmtree(target, ignore_errors=True)
            beside.rename(target)
            sync_directory(target.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def is_whole(folder: Path) -> bool:
    """Tell whether a checkpoint lies there whose every file has the size it was saved with."""
    try:
        files = _manifest(folder)
    except WorkspaceError:
        return False
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, (size, _) in files.items()
    )


def verify(folder: Path) -> None:
    """Read every byte of a checkpoint, and compare it with what was saved.

    Raises:
        WorkspaceError: it is not what was saved.
    """
    for name, sealed in _manifest(folder).items():
        path = folder / name
        if not path.is_file() or _sealed(path) != sealed:
            raise WorkspaceError(
                f"{path} is not what was saved: put a copy of it back, or remove {folder}, and the "
                "epoch's update is done again"
            )


def rotate(folder: Path, keep: int) -> None:
    """Remove all checkpoints but the last `keep`, and what interrupted jobs left half-saved.

    To be called while no job saves one.
    """
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    whole = sorted(filter(NAME.fullmatch, names), key=lambda name: int(name[1:]))
    for name in [*whole[:-keep], *filter(HALF_SAVED.fullmatch, names)]:
        shutil.rmtree(folder / name, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Files:
    """The size and hash of each file of a checkpoint."""

    files: dict[str, tuple[int, str]]


def _manifest(folder: Path) -> dict[str, tuple[int, str]]:
    try:
        raw = object_in((folder / MANIFEST).read_bytes())
        files = record_of(_Files, {"files": raw}).files
        if not all(map(is_file_name, files)):
            raise ValueError("its manifest names files of other folders")  # noqa: TRY301
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"{folder} holds no whole checkpoint ({error})") from error
    return files


def _sealed(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, digest
