"""What must not change while a run goes on: the sealed files, hashed when their campaign began.

No candidate can reach them from its sandbox. So a difference means that the sandbox was not one,
or that somebody edited the environment under a running campaign: either way no score counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

Seals = Mapping[str, Mapping[str, str]]
"""Folder -> the path in it -> the SHA-256 of each of its files."""
UNSEALED = frozenset({"__pycache__", "catalogue"})
"""Subfolders that decide no score: byte code that anybody may leave, and a catalogue of ideas."""


def seal(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder, but for the subfolders that decide no score."""
    return {
        path.relative_to(folder).as_posix(): _hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and UNSEALED.isdisjoint(path.relative_to(folder).parts)
    }


def broken_seal(seals: Seals) -> str | None:
    """Return what is wrong with the first file that is not as it was sealed, or None."""
    for folder, sealed in seals.items():
        found = seal(Path(folder))
        for name in sorted(sealed.keys() | found.keys()):
            if name not in found:
                return f"{folder}/{name} is gone since the campaign began"
            if name not in sealed:
                return f"{folder}/{name} was put there since the campaign began"
            if found[name] != sealed[name]:
                return f"{folder}/{name} was changed since the campaign began"
    return None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
