"""The ledger: seven Parquet tables with one writer and any number of readers.

    ledger/manifest.json             which parts are live; replaced atomically by each commit
    ledger/<table>/part-*.parquet    rows, in the order in which they were appended

A commit writes its parts (any number of tables) and then the manifest, so rows that belong
together appear together or not at all. Schemas are derived from the records: their fields are
the columns. A part that is torn, foreign or missing is named in a warning and left out.
"""

from __future__ import annotations

import glob
import json
import types
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from airr.errors import Damaged, WorkspaceError
from airr.records import Call, Idea, OutcomeRow, Patch, Run, Screening, Update
from airr.workspace import names_in, write_atomically

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
MANIFEST = "manifest.json"
TABLES: Mapping[str, type] = {
    "ideas": Idea,
    "patches": Patch,
    "calls": Call,
    "runs": Run,
    "screens": Screening,
    "outcomes": OutcomeRow,
    "updates": Update,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COMPACT_ABOVE_PARTS = 48
Record = TypeVar("Record")
_COLUMN_TYPES: Mapping[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


class DamagedPart(Damaged):
    """A part of a table cannot be read; its rows are missing from what was returned."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one or more campaigns as DataFrames, each with a `campaign` column."""

    ideas: pd.DataFrame
    patches: pd.DataFrame
    calls: pd.DataFrame
    runs: pd.DataFrame
    screens: pd.DataFrame
    outcomes: pd.DataFrame
    updates: pd.DataFrame


def load(pattern: str | Path) -> Tables:
    """Return the tables of every campaign folder that `pattern` (a glob) matches.

    Raises:
        WorkspaceError: no campaign matches.
    """
    folders = sorted(Path(p) for p in glob.glob(str(pattern)))  # noqa: PTH207 - may be absolute
    campaigns = [folder for folder in folders if (folder / "ledger").is_dir()]
    if not campaigns:
        raise WorkspaceError(f"no campaign matches {str(pattern)!r}: give a folder such as runs/x")
    return Tables(**{name: _load_table(campaigns, name) for name in TABLES})


def _load_table(campaigns: Sequence[Path], name: str) -> pd.DataFrame:
    tables: list[pa.Table] = []
    for campaign in campaigns:
        table = read_table(campaign / "ledger", name)
        column = pa.array([campaign.name] * len(table), pa.string())
        tables.append(table.add_column(0, "campaign", column))
    return pa.concat_tables(tables).to_pandas(maps_as_pydicts="strict")


def read_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return one table of a ledger folder, every column of its schema unless some are named."""
    schema = schema_of(TABLES[name])
    if columns is not None:
        schema = pa.schema([schema.field(column) for column in columns])
    missing = ""
    for _ in range(3):
        try:
            parts = [
                _read_part(folder / name / file, schema)
                for file in _read_manifest(folder).tables[name]
            ]
        except FileNotFoundError as error:  # compacted between the manifest and opening the part?
            missing = str(error.filename or error)
            continue
        good = (part for part in parts if part is not None)
        batches = [batch for part in good for batch in part.to_batches()]
        return pa.Table.from_batches(batches, schema)
    raise WorkspaceError(
        f"{folder / MANIFEST} names a part that is not there: {missing}\n"
        "Put it back from a copy. If there is none, take its name out of the manifest: its rows "
        "are lost then, and what they told of is done again."
    )


def read_records(folder: Path, kind: type[Record]) -> list[Record]:
    """Return one table of a ledger folder as its records, in ledger order."""
    name = next(name for name, record in TABLES.items() if record is kind)
    table, convert = read_table(folder, name), _converters(kind)
    columns = [_values(table[column], convert.get(column)) for column in table.column_names]
    rows = zip(*columns, strict=True)
    return [kind(**dict(zip(table.column_names, row, strict=True))) for row in rows]


def _values(column: pa.ChunkedArray, convert: Callable[[Any], Any] | None) -> Iterable[Any]:
    """Return a column as the fields of records. Arrow takes ten times as long for its times."""
    if pa.types.is_timestamp(column.type):
        ticks = (tick for chunk in column.chunks for tick in chunk.view(pa.int64()).to_pylist())
        return [None if tick is None else EPOCH + timedelta(microseconds=tick) for tick in ticks]
    values = column.to_pylist()
    return map(convert, values) if convert else values


@dataclass(frozen=True, slots=True)
class _Manifest:
    """Which parts are live: file names by table, in the order of their rows."""

    version: int
    tables: Mapping[str, list[str]]


class Ledger:
    """The writing side: there is one at a time, the head that holds the lease."""

    def __init__(self, folder: Path, guard: Callable[[], None] = lambda: None) -> None:
        """Open the ledger for writing and clear what an interrupted commit left.

        `guard` is called before every commit and raises if this process may no longer write.
        """
        self.folder = folder
        self._guard = guard
        for name in TABLES:
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._manifest = _read_manifest(folder)
        self._remove_orphans()

    def append(self, rows: Sequence[Any]) -> None:
        """Add records of any tables in one atomic, durable commit."""
        by_table = {
            name: [row for row in rows if isinstance(row, kind)] for name, kind in TABLES.items()
        }
        changed = {name: records for name, records in by_table.items() if records}
        if not changed:
            return
        self._guard()
        tables = {name: [*files] for name, files in self._manifest.tables.items()}
        for name, records in changed.items():
            tables[name].append(self._write_part(name, _to_table(TABLES[name], records)))
        self._commit(tables)
        for name in changed:
            if len(tables[name]) > COMPACT_ABOVE_PARTS:
                self._compact(name)

    def _compact(self, name: str) -> None:
        """Merge all readable parts of a table into one; damaged ones stay listed, to be seen."""
        schema = schema_of(TABLES[name])
        parts = {
            file: _read_part(self.folder / name / file, schema)
            for file in self._manifest.tables[name]
        }
        merged = {file: part for file, part in parts.items() if part is not None}
        damaged = [file for file in parts if file not in merged]
        whole = self._write_part(name, pa.concat_tables(merged.values()))
        self._commit({**self._manifest.tables, name: [*damaged, whole]})
        for file in merged:
            (self.folder / name / file).unlink(missing_ok=True)

    def _write_part(self, name: str, table: pa.Table) -> str:
        file = f"part-{self._manifest.version + 1:08d}-{uuid.uuid4().hex[:6]}.parquet"
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        write_atomically(self.folder / name / file, sink.getvalue().to_pybytes())
        return file

    def _commit(self, tables: Mapping[str, list[str]]) -> None:
        manifest = _Manifest(version=self._manifest.version + 1, tables=tables)
        text = json.dumps({"format": FORMAT, "version": manifest.version, "tables": tables})
        write_atomically(self.folder / MANIFEST, text.encode())
        self._manifest = manifest

    def _remove_orphans(self) -> None:
        for name, live in self._manifest.tables.items():
            for file in names_in(self.folder / name):
                if file.startswith("part-") and file not in live:
                    (self.folder / name / file).unlink()


def schema_of(kind: type) -> pa.Schema:
    """Return the Arrow schema whose columns are the fields of a record."""
    hints = get_type_hints(kind)
    return pa.schema([_column(field.name, hints[field.name]) for field in fields(kind)])


def _column(name: str, hint: Any) -> pa.Field:
    inner, nullable = _without_none(hint)
    if get_origin(inner) is tuple:
        return pa.field(name, pa.list_(pa.string()), nullable=False)
    if get_origin(inner) is Mapping:
        return pa.field(name, pa.map_(pa.string(), pa.float64()))
    plain = str if issubclass(inner, StrEnum) else inner
    return pa.field(name, _COLUMN_TYPES[plain], nullable=nullable)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) is types.UnionType:
        (inner,) = (part for part in get_args(hint) if part is not type(None))
        return inner, True
    return hint, False


def _converters(kind: type) -> dict[str, Callable[[Any], Any]]:
    """Return what turns an Arrow value into the record's field, for columns that need it."""
    hints = {name: _without_none(hint)[0] for name, hint in get_type_hints(kind).items()}

    def converter(inner: Any) -> Callable[[Any], Any] | None:
        if get_origin(inner) is tuple:
            return tuple
        if get_origin(inner) is Mapping:
            return lambda pairs: dict(pairs or ())
        if issubclass(inner, StrEnum):
            return lambda value: None if value is None else inner(value)
        return None

    found = {field.name: converter(hints[field.name]) for field in fields(kind)}
    return {name: convert for name, convert in found.items() if convert}


def _to_table(kind: type, records: Sequence[Any]) -> pa.Table:
    schema = schema_of(kind)
    arrays = [
        pa.array([_plain(getattr(record, field.name)) for record in records], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _plain(value: Any) -> Any:
    """Return what Arrow can hold: enums as words, lone surrogates replaced."""
    return str(value).encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _read_part(path: Path, schema: pa.Schema) -> pa.Table | None:
    """Return a part in the given schema, columns it lacks as nulls; None if it is damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            present = [name for name in schema.names if name in file.schema_arrow.names]
            table = file.read(columns=present)
        columns = [
            _as(table[field.name], field.type)
            if field.name in present
            else pa.nulls(len(table), field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(columns, schema=schema)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        warnings.warn(f"{path} cannot be read and is left out: {error}", DamagedPart, stacklevel=2)
        return None


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a column in a type; what is in it already needs no pyarrow.compute, which is large."""
    return column if column.type == kind else column.cast(kind)


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    none: dict[str, list[str]] = {name: [] for name in TABLES}
    try:
        raw = json.loads(path.read_bytes())
        version, tables = int(raw["version"]), dict(raw["tables"])
    except FileNotFoundError:
        return _Manifest(version=0, tables=none)
    except (ValueError, TypeError, KeyError) as error:
        raise WorkspaceError(f"{path} is damaged: {error!r}") from error
    if raw.get("format") != FORMAT:
        raise WorkspaceError(
            f"{path} has format {raw.get('format')}; this version of airr reads {FORMAT}"
        )
    return _Manifest(version=version, tables=none | tables)
