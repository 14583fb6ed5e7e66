"""A file of JSON lines that grows only at its end, each line durable before it is used.

    {"crc32":"0f3a91bc","record":{...}}

The checksum covers the record's bytes. What a crash tore off at the end is cut; a line that is
damaged or foreign is named and left where it is, so that nothing is destroyed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from airr.errors import Damaged, WorkspaceError
from airr.foreign import json_in
from airr.workspace import sync_directory

HEAD = b'{"crc32":"%08x","record":'
HEAD_LENGTH = len(HEAD % 0)
TAIL = b"}\n"
Place = int
"""Where a line lies: its first byte in the file."""


class TornEnd(UserWarning):
    """The file ended in the middle of a line, which was never used, and was cut."""


class DamagedLine(Damaged):
    """A line does not hold what was written, and is skipped."""


class LineFile:
    """One such file. It has one writer, and stops writing at its first failure."""

    def __init__(self, path: Path) -> None:
        """Open the file, which may not be there yet, and cut a torn end."""
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        sync_directory(path.parent)
        self._end = self._cut_torn_end()
        self._failure: OSError | None = None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def check_writable(self) -> None:
        """Raise WorkspaceError if an earlier append failed: nothing more can be kept here."""
        if self._failure is not None:
            raise self._not_kept(self._failure)

    def append(self, records: Sequence[Any]) -> list[Place]:
        """Write records and return where they lie, once they are on disk.

        Raises:
            WorkspaceError: they are not, and none of them is in the file.
        """
        self.check_writable()
        lines = [_line(record) for record in records]
        *places, end = itertools.accumulate(map(len, lines), initial=self._end)
        try:
            self._write(b"".join(lines))
            os.fsync(self._file)
        except OSError as error:
            self._failure = error
            with contextlib.suppress(OSError):  # else the next opening cuts what is torn
                os.ftruncate(self._file, self._end)
            raise self._not_kept(error) from error
        self._end = end
        return places

    def read(self, place: Place) -> Any:
        """Return the record of one line.

        Raises:
            WorkspaceError: the line was damaged after it was found whole.
        """
        record = _record(_line_at(self._file, place))
        if record is None:
            raise WorkspaceError(f"{self.path}: the line at byte {place} was damaged just now")
        return record

    def scan(self) -> Iterator[tuple[Place, Any]]:
        """Yield every whole line with its record, in order; the others are named."""
        place = 0
        with self.path.open("rb") as file:
            for line in file:
                record = _record(line)
                if record is None:
                    self.name_damage(place)
                else:
                    yield place, record
                place += len(line)

    def name_damage(self, place: Place) -> None:
        """Warn that a line cannot be used."""
        warnings.warn(
            f"{self.path}: the line at byte {place} is damaged or foreign; it is left there and "
            "skipped",
            DamagedLine,
            stacklevel=2,
        )

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def _cut_torn_end(self) -> int:
        size = os.fstat(self._file).st_size
        end = _end_of_last_line(self._file, size)
        if end < size:
            warnings.warn(
                f"{self.path}: cut {size - end} bytes of a line that was never finished",
                TornEnd,
                stacklevel=3,
            )
            os.ftruncate(self._file, end)
            os.fsync(self._file)
        return end

    def _not_kept(self, error: OSError) -> WorkspaceError:
        return WorkspaceError(
            f"{self.path} cannot be written: {error.strerror}. Make room or mend the file system, "
            "then start the same command again; what was kept before is kept"
        )


def _line(record: Any) -> bytes:
    body = json.dumps(record, separators=(",", ":")).encode("ascii")
    return HEAD % zlib.crc32(body) + body + TAIL


def _line_at(file: int, place: Place, step: int = 1 << 14) -> bytes:
    """Return a line with its newline, or without where the file ends before that."""
    line = bytearray()
    while not line.endswith(b"\n") and (piece := os.pread(file, step, place + len(line))):
        line += piece[: piece.find(b"\n") + 1 or step]
    return bytes(line)


def _record(line: bytes) -> Any:
    """Return the record of a line, or None if its bytes are not what was written."""
    body = line[HEAD_LENGTH : -len(TAIL)]
    if line[:HEAD_LENGTH] != HEAD % zlib.crc32(body) or not line.endswith(TAIL):
        return None
    try:
        return json_in(body)
    except ValueError:  # whoever wrote the checksum, it was not airr
        return None


def _end_of_last_line(file: int, size: int, step: int = 1 << 16) -> int:
    """Return the offset behind the last newline."""
    end = size
    while end > 0:
        start = max(0, end - step)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
