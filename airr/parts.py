"""One Parquet file of a table: encoded with checksums, and read in the schema that is due."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from airr.errors import Damaged

MOST_PARTS = 48
"""Parts that a table has on top of its whole ones, before some are merged."""
WHOLE_BYTES = 128 * 2**20
"""A part of this size is merged no more, which bounds what a merge holds in memory."""
UNREADABLE = (pa.ArrowException, OSError, ValueError)


class DamagedPart(Damaged):
    """A part of a table cannot be read; its rows are missing from what was returned."""


def encoded(table: pa.Table) -> bytes:
    """Return a table as the bytes of a part.

    Without dictionaries, which zstd needs none of: files are smaller so, are written and read
    sooner, and say how much room their rows take (`bytes_in`).
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True, use_dictionary=False)
    return sink.getvalue().to_pybytes()


def read_part(path: Path, schema: pa.Schema) -> pa.Table | None:
    """Return a part in the given schema, columns it lacks as nulls; None if it is damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            there = Counter(file.schema_arrow.names)
            present = [name for name in schema.names if name in there]
            if twice := [name for name in present if there[name] > 1]:
                raise ValueError(f"it has the column {twice[0]} twice")
            table = file.read(columns=present)
        columns = [
            _as(table[field.name], field.type)
            if field.name in present
            else pa.nulls(len(table), field.type)
            for field in schema
        ]
        for field, column in zip(schema, columns, strict=True):
            if column.null_count and not field.nullable and field.name in present:
                raise ValueError(f"its column {field.name} lacks values")
        return pa.Table.from_arrays(columns, schema=schema)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk fails, or there is no such file: what the file holds is unknown
        warnings.warn(
            f"{path} is damaged and left out: {error}\n"
            "If there is a copy of it, put that back before a head goes on.",
            DamagedPart,
            stacklevel=2,
        )
        return None


def bytes_in(path: Path) -> int:
    """Return how many bytes the rows of a part take uncompressed; of a damaged one, those on disk.

    A file of one row is mostly footer, so its own size says little of what a merge has to move.
    """
    try:
        with pq.ParquetFile(path) as file:
            groups = range(file.metadata.num_row_groups)
            return sum(file.metadata.row_group(n).total_byte_size for n in groups)
    except FileNotFoundError:
        raise
    except UNREADABLE:
        return path.stat().st_size


def first_to_merge(sizes: Sequence[int]) -> int:
    """Return from which part on a table is to be merged; its number of parts if nothing is.

    `sizes` are those of `bytes_in`, oldest first. At least half of what is allowed is merged, and
    before it what is no larger than all that follows: so a row is merged again only when its part
    doubles.
    """
    count = len(sizes)
    whole = max((n + 1 for n, size in enumerate(sizes) if size >= WHOLE_BYTES), default=0)
    if count - whole <= MOST_PARTS:
        return count
    first = count - MOST_PARTS // 2
    merged = sum(sizes[first:])
    while first > whole and sizes[first - 1] <= merged:
        first -= 1
        merged += sizes[first]
    return first


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a column in a type; what is in it already needs no pyarrow.compute, which is large."""
    return column if column.type == kind else column.cast(kind)
