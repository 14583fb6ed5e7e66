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
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airr.columns import Record, records_of, schema_of, table_of
from airr.errors import WorkspaceError
from airr.foreign import is_file_name, object_in, record_of
from airr.parts import bytes_in, encoded, first_to_merge, read_part
from airr.records import SCORED, Call, Idea, OutcomeRow, Patch, Run, Screening, Update
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
NEW_MANIFEST = '{"format": 1, "version": 99999, "tables": {"ideas": ["part-...", ...], ...}}'
TEXTS = frozenset({"text", "diff", "detail", "log_tail"})
"""Columns that hold most of a ledger's bytes."""
BEST = ("idea_id", "repeat", "metric", "standard_error", "reward")


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


def load(pattern: str | Path, *, texts: bool = True) -> Tables:
    """Return the tables of every campaign folder that `pattern` (a glob) matches.

    With `texts=False` the long ones (`TEXTS`) are left out, which are most of a ledger. Tables of
    one campaign are as they stood at one moment, beside a running head too.

    Raises:
        WorkspaceError: no campaign matches.
    """
    columns = {
        name: [one for one in schema_of(kind).names if texts or one not in TEXTS]
        for name, kind in TABLES.items()
    }
    read = [(one, read_tables(one / "ledger", columns)) for one in _campaigns(pattern)]

    def frame(name: str) -> pd.DataFrame:
        tables = [_named(campaign, tables[name]) for campaign, tables in read]
        return pa.concat_tables(tables).to_pandas(maps_as_pydicts="strict")

    return Tables(**{name: frame(name) for name in TABLES})


def best(pattern: str | Path, count: int) -> pd.DataFrame:
    """Return the `count` scored outcomes of the highest reward, best first, as `BEST` columns.

    Equal ones come in ledger order. Of many outcomes this reads little: it is for large ledgers.

    Raises:
        WorkspaceError: no campaign matches.
    """
    import pandas as pd  # noqa: PLC0415 - large, and the head needs none of it

    found: list[pd.DataFrame] = []
    for campaign in _campaigns(pattern):
        table = read_table(campaign / "ledger", "outcomes", ["status", *BEST])
        rows = table.select(["status", "reward"]).to_pandas()
        best_rows = rows.reward[rows.status == SCORED].nlargest(count).index
        found.append(_named(campaign, table.select(BEST).take(best_rows.to_numpy())).to_pandas())
    return pd.concat(found).nlargest(count, "reward").reset_index(drop=True)


def _campaigns(pattern: str | Path) -> list[Path]:
    folders = sorted(Path(p) for p in glob.glob(str(pattern)))  # noqa: PTH207 - may be absolute
    campaigns = [folder for folder in folders if (folder / "ledger").is_dir()]
    if not campaigns:
        raise WorkspaceError(f"no campaign matches {str(pattern)!r}: give a folder such as runs/x")
    return campaigns


def _named(campaign: Path, table: pa.Table) -> pa.Table:
    return table.add_column(0, "campaign", pa.repeat(campaign.name, len(table)))


def read_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return one table of a ledger folder, every column of its schema unless some are named."""
    return read_tables(folder, {name: columns})[name]


def read_tables(folder: Path, columns: Mapping[str, Sequence[str] | None]) -> dict[str, pa.Table]:
    """Return the tables named, with these columns or all, as they stood at one moment.

    Raises:
        WorkspaceError: a part is not there.
    """
    missing = ""
    for _ in range(3):
        try:
            listed = _read_manifest(folder).tables
            return {
                name: _rows_in(folder / name, listed[name], _schema_with(name, some))
                for name, some in columns.items()
            }
        except FileNotFoundError as error:  # merged between the manifest and opening the part?
            missing = str(error.filename or error)
    raise WorkspaceError(
        f"{folder / MANIFEST} names a part that is not there: {missing}\n"
        "Put it back from a copy. If there is none, take its name out of the manifest: its rows "
        "are lost then, and what they told of is done again."
    )


def _schema_with(name: str, columns: Sequence[str] | None) -> pa.Schema:
    schema = schema_of(TABLES[name])
    return schema if columns is None else pa.schema([schema.field(one) for one in columns])


def _rows_in(folder: Path, files: Sequence[str], schema: pa.Schema) -> pa.Table:
    parts = (read_part(folder / file, schema) for file in files)
    good = (part for part in parts if part is not None)
    return pa.Table.from_batches([batch for part in good for batch in part.to_batches()], schema)


def read_whole(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a table as `read_table` does, with a value wherever one must be.

    Raises:
        WorkspaceError: the ledger is damaged, or a part lacks a column.
    """
    table = read_table(folder, name, columns)
    for field in table.schema:
        if not field.nullable and table[field.name].null_count:
            raise WorkspaceError(
                f"{folder / name} has a part without the column {field.name}: another version of "
                "airr wrote it; go on with that one"
            )
    return table


def read_records(folder: Path, kind: type[Record]) -> list[Record]:
    """Return one table of a ledger folder as its records, in ledger order.

    Raises:
        WorkspaceError: the ledger is damaged, or holds what only a newer airr knows.
    """
    name = next(name for name, record in TABLES.items() if record is kind)
    table = read_whole(folder, name)
    try:
        return records_of(kind, table)
    except (ValueError, OverflowError) as error:
        raise WorkspaceError(
            f"{folder / name} holds what this version of airr does not know ({error}): read it "
            "with the version that wrote it, or a newer one"
        ) from error


@dataclass(frozen=True, slots=True)
class _Manifest:
    """Which parts are live: file names by table, in the order of their rows."""

    version: int
    tables: Mapping[str, tuple[str, ...]]


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
        self._sizes: dict[str, int] = {}
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
        tables = {**self._manifest.tables}
        for name, records in changed.items():
            part = self._write_part(name, table_of(TABLES[name], records))
            tables[name] = (*tables[name], part)
        self._commit(tables)
        for name in changed:
            first = first_to_merge([self._size_of(name, file) for file in tables[name]])
            if first < len(tables[name]):
                self._merge(name, first)

    def _merge(self, name: str, first: int) -> None:
        """Make one part of those from `first` on; damaged ones stay listed, to be seen."""
        schema = schema_of(TABLES[name])
        files = self._manifest.tables[name]
        parts = {file: read_part(self.folder / name / file, schema) for file in files[first:]}
        merged = {file: part for file, part in parts.items() if part is not None}
        if not merged:
            return
        damaged = [file for file in parts if file not in merged]
        whole = self._write_part(name, pa.concat_tables(merged.values()))
        self._commit({**self._manifest.tables, name: (*files[:first], *damaged, whole)})
        for file in merged:
            (self.folder / name / file).unlink(missing_ok=True)
            del self._sizes[file]

    def _size_of(self, name: str, file: str) -> int:
        if file not in self._sizes:
            self._sizes[file] = bytes_in(self.folder / name / file)
        return self._sizes[file]

    def _write_part(self, name: str, table: pa.Table) -> str:
        file = f"part-{self._manifest.version + 1:08d}-{uuid.uuid4().hex[:6]}.parquet"
        write_atomically(self.folder / name / file, encoded(table))
        self._sizes[file] = table.nbytes
        return file

    def _commit(self, tables: Mapping[str, tuple[str, ...]]) -> None:
        manifest = _Manifest(version=self._manifest.version + 1, tables=tables)
        text = json.dumps({"format": FORMAT, "version": manifest.version, "tables": tables})
        write_atomically(self.folder / MANIFEST, text.encode())
        self._manifest = manifest

    def _remove_orphans(self) -> None:
        for name, live in self._manifest.tables.items():
            for file in names_in(self.folder / name):
                if file.startswith("part-") and file not in live:
                    (self.folder / name / file).unlink()


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    none: dict[str, tuple[str, ...]] = dict.fromkeys(TABLES, ())
    try:
        raw = object_in(path.read_bytes())
        if raw.get("format") != FORMAT:
            raise WorkspaceError(
                f"{path} has format {raw.get('format')}; this version of airr reads {FORMAT}"
            )
        manifest = record_of(_Manifest, raw, others=True)
    except FileNotFoundError:
        return _Manifest(version=0, tables=none)
    except ValueError as error:
        raise WorkspaceError(
            f"{path} is damaged: {error}\nPut a copy of it back, or write it anew: "
            f"{NEW_MANIFEST}, with the names of the parts of each table, which tell their order."
        ) from error
    names = {*manifest.tables, *(name for parts in manifest.tables.values() for name in parts)}
    if ways_out := [name for name in names if not is_file_name(name)]:
        raise WorkspaceError(f"{path} is damaged: {ways_out[0]!r} is no name of a part")
    return replace(manifest, tables=none | {**manifest.tables})
