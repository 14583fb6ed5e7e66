"""Data folders and the manifest in each: made whole, checked before they are trusted.

manifest.json says where the data is from, the hash of each file, and, in a sealed folder, the
seed that scoring samples with. It is written last: no manifest, no data.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

MANIFEST = "manifest.json"


def start_folder(folder: Path) -> None:
    """Make an empty folder of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def write_manifest(folder: Path, source: str, seed: int | None = None) -> None:
    """Describe a folder's files: the last act of making it."""
    manifest = {"source": source, "files": _hashes(folder)}
    if seed is not None:
        manifest["sampling_seed"] = seed
    beside = folder / f".{MANIFEST}"
    with beside.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / MANIFEST)
    count = len((folder / "problems.jsonl").read_bytes().splitlines())
    print(f"{folder}: {count:,} problems, from {source}", flush=True)


def is_complete(folder: Path, source: str) -> bool:
    """Tell whether a folder holds the very files that its manifest describes."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return manifest["source"] == source and manifest["files"] == _hashes(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): _hash(path) for path in paths}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
