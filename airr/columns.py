"""Records <-> Arrow: the fields of a record are the columns of its table. Pure."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Record = TypeVar("Record")
_COLUMN_TYPES: Mapping[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


@functools.cache
def schema_of(kind: type) -> pa.Schema:
    """Return the Arrow schema whose columns are the fields of a record."""
    hints = get_type_hints(kind)
    return pa.schema([_column(field.name, hints[field.name]) for field in fields(kind)])


def table_of(kind: type, records: Sequence[Any]) -> pa.Table:
    """Return records of one kind as a table, in their order."""
    schema = schema_of(kind)
    arrays = [
        pa.array([_plain(getattr(record, field.name)) for record in records], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def records_of(kind: type[Record], table: pa.Table) -> list[Record]:
    """Return the rows of a table as records of one kind, in their order."""
    convert = _converters(kind)
    columns = [_values(table[column], convert.get(column)) for column in table.column_names]
    rows = zip(*columns, strict=True)
    return [kind(**dict(zip(table.column_names, row, strict=True))) for row in rows]


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


def _plain(value: Any) -> Any:
    """Return what Arrow can hold: enums as words, lone surrogates replaced."""
    return str(value).encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _values(column: pa.ChunkedArray, convert: Callable[[Any], Any] | None) -> Iterable[Any]:
    """Return a column as the fields of records. Arrow takes ten times as long for its times."""
    if pa.types.is_timestamp(column.type):
        ticks = (tick for chunk in column.chunks for tick in chunk.view(pa.int64()).to_pylist())
        return [None if tick is None else EPOCH + timedelta(microseconds=tick) for tick in ticks]
    values = column.to_pylist()
    return map(convert, values) if convert else values


@functools.cache
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
