"""A source tree <-> the one file in which it travels to a node."""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airr.archives import BadArchive, files_in
from airr.errors import ConfigError, Damaged
from airr.records import Idea

Tree = Mapping[str, str]
"""Relative POSIX path -> text of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An earlier idea and its codebase, on which another idea builds."""

    idea: Idea
    tree: Tree


ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_tree(folder: Path) -> dict[str, str]:
    """Return every text file below `folder`, byte-code caches left out.

    Raises:
        ConfigError: the folder holds no files.
    """
    files = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    if not files:
        raise ConfigError(f"{folder} holds no codebase: check env.folder")
    return files


def pack(tree: Tree) -> bytes:
    """Return a zip archive of the tree; the same tree always gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(tree):
            archive.writestr(zipfile.ZipInfo(path, ZIP_EPOCH), tree[path].encode("utf-8"))
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, str]:
    """Return the tree that `pack` made an archive of.

    Raises:
        BadArchive: it is none, or damaged.
    """
    try:
        return {str(path): content.decode("utf-8") for path, content in files_in(data)}
    except UnicodeDecodeError as error:
        raise BadArchive(f"the archive holds what is no text: {error}") from error


def packed_at(path: Path) -> bytes | None:
    """Return a packed codebase, or None where there is none; one that is damaged is named."""
    try:
        data = path.read_bytes()
        unpack(data)
    except FileNotFoundError:
        return None
    except BadArchive as error:
        warnings.warn(f"{path} is damaged, and done without: {error}", Damaged, stacklevel=2)
        return None
    return data


def sha256_of(data: bytes) -> str:
    """Return the hash by which a worker knows that it got what the head packed."""
    return hashlib.sha256(data).hexdigest()
