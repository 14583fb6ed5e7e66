"""Folders that checks make below the root of campaigns, and take away again."""

from __future__ import annotations

import shutil
from pathlib import Path


def missing_folders(folder: Path) -> tuple[Path, ...]:
    """Return the folders, the innermost first, that would have to be made for this one."""
    return tuple(each for each in (folder, *folder.parents) if not each.exists())


def remove_folder(folder: Path, were_missing: tuple[Path, ...]) -> None:
    """Remove a folder with all in it, and those above it that were missing and are empty now."""
    shutil.rmtree(folder, ignore_errors=True)
    for made in were_missing:
        if made.is_dir() and not any(made.iterdir()):
            made.rmdir()
