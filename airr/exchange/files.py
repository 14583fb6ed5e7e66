"""Files of trajectories, in and out: Parquet, JSON, or JSON lines, by their suffix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airr.errors import ConfigError
from airr.exchange.rows import COLUMNS, BadRow, Row, raw_of_row, row_of_raw
from airr.workspace import write_atomically

LINES = (".jsonl", ".ndjson")
SUFFIXES = (".parquet", ".json", *LINES)
MOST_ROWS = 200_000
LARGEST_JSON = 2_000_000_000
"""Bytes of a JSON file, which is read whole; the other forms are read bit by bit."""
LONGEST_LINE = 16_000_000
AT_ONCE = 256
SCHEMA = pa.schema(
    [
        ("ideator_model", pa.string()),
        ("executor_model", pa.string()),
        ("env", pa.string()),
        ("epoch", pa.int64()),
        ("idea", pa.string()),
        ("code_diff", pa.string()),
        ("result", pa.struct([("accuracy", pa.float64()), ("loss", pa.float64())])),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A row that is left out: its number from 1 (in JSON lines, its line), and why."""

    number: int
    why: str


def check_suffix(path: Path) -> None:
    """Refuse a file whose form its suffix does not tell.

    Raises:
        ConfigError: it is so.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: which form? name a file that ends in {', '.join(SUFFIXES)}")


def read_rows(path: Path) -> Iterator[Row | Fault]:
    """Yield each row of a file, or what is wrong with it.

    Raises:
        ConfigError: the file is missing, is not of the form of its suffix, lacks a column, or has
            more rows than are taken.
    """
    for number, raw in enumerate(raw_rows(path, COLUMNS, "import"), start=1):
        if number > MOST_ROWS:
            raise ConfigError(f"import={path}: more than {MOST_ROWS:,} rows: divide the file")
        try:
            if isinstance(raw, BadRow):
                raise raw
            yield row_of_raw(raw)
        except BadRow as bad:
            yield Fault(number=number, why=str(bad))


def raw_rows(
    path: Path, needed: Sequence[str], setting: str, more: Sequence[str] = ()
) -> Iterator[Any]:
    """Yield the rows of a file as they stand there; a line that is none is a `BadRow`.

    Of Parquet, only the columns `needed` and `more` are read. `setting` names the file in errors.

    Raises:
        ConfigError: the file is missing, is not of the form of its suffix, or lacks a column.
    """
    check_suffix(path)
    if not path.is_file():
        raise ConfigError(f"{setting}={path}: there is no such file")
    try:
        if path.suffix == ".parquet":
            yield from _in_parquet(path, needed, more)
        else:
            yield from _in_lines(path) if path.suffix in LINES else _in_json(path)
    except _Unreadable as error:
        raise ConfigError(f"{setting}={path}{error}") from error


class _Unreadable(Exception):
    """Why a file cannot be read, as it follows on the file's name."""


def _in_parquet(path: Path, needed: Sequence[str], more: Sequence[str]) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            if missing := [name for name in needed if name not in there]:
                raise _Unreadable(f": it has no column {', '.join(missing)}")
            wanted = [name for name in (*needed, *more) if name in there]
            for batch in file.iter_batches(batch_size=AT_ONCE, columns=wanted):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        told = str(error).partition("\n")[0][:200]
        raise _Unreadable(f" cannot be read as Parquet: {told}") from error


def _in_json(path: Path) -> Iterator[Any]:
    if path.stat().st_size > LARGEST_JSON:
        raise _Unreadable(": too large for JSON: take JSON lines or Parquet")
    try:
        rows: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f" is no JSON: {str(error)[:200]}") from error
    if not isinstance(rows, list):
        raise _Unreadable(": it holds no list of rows (one a line? name it .jsonl)")
    yield from rows


def _in_lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            if not line.endswith(b"\n") and len(line) == LONGEST_LINE:
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    continue
                yield BadRow(f"the line has more than {LONGEST_LINE:,} bytes")
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                yield BadRow("the line is no JSON")


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows in the form that the file's suffix names.

    Raises:
        ConfigError: the suffix names none, its folder is missing, or another file is there.
    """
    check_suffix(path)
    if not path.parent.is_dir():
        raise ConfigError(f"export={path}: there is no folder {path.parent}; make it first")
    data = _bytes_of(path.suffix, map(raw_of_row, rows))
    if path.exists() and path.read_bytes() != data:
        raise ConfigError(f"export={path}: another file is there: remove it, or name another one")
    write_atomically(path, data)


def _bytes_of(suffix: str, raws: Iterable[dict[str, Any]]) -> bytes:
    if suffix == ".parquet":
        sink = pa.BufferOutputStream()
        table = pa.Table.from_pylist([*raws], schema=SCHEMA)
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        return sink.getvalue().to_pybytes()
    if suffix in LINES:
        return "".join(f"{json.dumps(raw, allow_nan=False)}\n" for raw in raws).encode()
    return json.dumps([*raws], allow_nan=False, indent=1).encode()
