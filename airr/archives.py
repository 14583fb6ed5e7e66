"""A packed codebase -> its files; nothing of it is believed, and no path leads out of a folder."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

LIMIT_BYTES = 64 * 1024 * 1024
"""Of all files together, once unpacked."""
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1


class BadArchive(Exception):
    """The archive is not one that the head packed, or would write outside its folder."""


def files_in(data: bytes) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the path and the content of each file of a zip archive.

    Raises:
        BadArchive: it is none, is damaged or too large, or a name leaves the folder.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LIMIT_BYTES:
                raise BadArchive(f"the archive unpacks to more than {LIMIT_BYTES} bytes")
            for entry in entries:
                yield _relative(entry.filename), _content(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise BadArchive(f"the archive is damaged: {error}") from error


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.compress_type not in METHODS or entry.flag_bits & ENCRYPTED:
        raise BadArchive(f"the archive packs {entry.filename!r:.80} in a way that is not ours")
    return archive.read(entry)


def _relative(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    out = path.is_absolute() or ".." in path.parts or "\\" in name
    if out or name.endswith("/") or path == PurePosixPath():
        raise BadArchive(f"the archive holds an illegal path: {name!r:.80}")
    return path
