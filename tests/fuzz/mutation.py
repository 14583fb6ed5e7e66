"""Inputs that a parser takes -> others that it may not: what both drivers throw at a target.

A change is a pure function of the input and a random generator. Changes of JSON and of Parquet keep
the form and break what it says, which changes of bytes seldom come to.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.target import Target

LONGEST = 20_000
COMMON = (
    b"\0", b"\n", b"\r\n", b" ", b"\t", b"..", b"../", b"/", b"-1", b"9" * 40, b"9" * 5000, b"NaN",
    b"null", b"[", b"{", b"}", b'"', b"\\", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"1e999",
    "é\u2028\x85".encode(), b"%s", b"&a [*a]", b"__class__",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**19, 10**400, -(2**63), 1e308, float("nan"), float("inf"),
    "", "x", "..", "../../x", "/tmp/x", "a\0b", "\ud800", "9" * 5000, [], {}, [[]], [None],
    {"": None}, "1970-01-01T00:00:00", "0001-01-01T00:00:00+00:00",
)  # fmt: skip


def mutated(target: Target, rng: Random) -> bytes:
    """Return an input made from the target's seeds."""
    data = rng.choice(target.seeds())
    for _ in range(rng.randint(1, 4)):
        data = changed(data, target.words, rng)
    return data[:LONGEST]


def changed(data: bytes, words: Sequence[bytes], rng: Random) -> bytes:
    """Return an input changed in one place."""
    if data.startswith(b"PAR1") and rng.random() < 0.7:
        return _changed_table(data, rng)
    if data[8:9] == b"{" and rng.random() < 0.7:
        return _changed_header(data, rng)
    if data.lstrip()[:1] in {b"{", b"["} and rng.random() < 0.7:
        return _changed_json(data, rng)
    return _changed_bytes(data, words, rng)


def stuffed(target: Target, size: int) -> list[bytes]:
    """Return inputs of about so many bytes that repeat one piece, alone and within a seed."""
    seed = min(target.seeds(), key=len)
    pieces = [*target.words, seed, b"[", b"(", b" ", b"\n", b"a", b"9", b"-", b"\0", b'{"a":']
    alone = [piece * (size // len(piece)) for piece in pieces if piece]
    middle = len(seed) // 2
    return alone + [seed[:middle] + run + seed[middle:] for run in alone]


def _changed_bytes(data: bytes, words: Sequence[bytes], rng: Random) -> bytes:
    start = rng.randint(0, len(data))
    stop = min(len(data), start + rng.choice((0, 0, 1, 1, 2, 4, 16, 200)))
    piece = data[start:stop]
    match rng.randint(0, 5):
        case 0:
            new = b""
        case 1:
            new = rng.choice((*words, *words, *COMMON))
        case 2:
            new = piece * rng.choice((2, 3, 20))
        case 3:
            new = bytes(rng.randrange(256) for _ in range(rng.randint(1, 4)))
        case 4:
            other = rng.randint(0, len(data))
            new = data[other : other + rng.choice((1, 8, 64))]
        case _:
            return data[:start]
    return data[:start] + new + data[stop:]


def _changed_json(data: bytes, rng: Random) -> bytes:
    """Return JSON, or JSON lines, in which a value is another one, is gone, or has another name."""
    for part in (data, rng.choice(data.splitlines(keepends=True) or [b""])):
        try:
            root = json.loads(part)
        except (ValueError, RecursionError):
            continue
        root = _with_another_value(root, rng)
        new = json.dumps(root).encode("utf-8", "surrogatepass")
        return data.replace(part, new + (b"\n" if part.endswith(b"\n") else b""), 1)
    return _changed_bytes(data, (), rng)


def _changed_header(data: bytes, rng: Random) -> bytes:
    """Return safetensors with another value in their header, whose stated length mostly fits."""
    length = int.from_bytes(data[:8], "little")
    header = _changed_json(data[8 : 8 + length], rng)
    told = len(header) if rng.random() < 0.9 else rng.choice((0, length + 1, 2**40, 2**64 - 1))
    return (told % 2**64).to_bytes(8, "little") + header + data[8 + length :]


def _with_another_value(root: Any, rng: Random) -> Any:
    nodes: list[Any] = [root]
    places: list[tuple[Any, Any]] = []
    while nodes and len(places) < 1000:
        node = nodes.pop()
        if isinstance(node, dict | list):
            items = list(node.items() if isinstance(node, dict) else enumerate(node))
            places += [(node, key) for key, _ in items]
            nodes += [value for _, value in items]
    if not places or rng.random() < 0.03:
        return rng.choice(ODD)
    node, key = rng.choice(places)
    odd = rng.choice(ODD)
    if isinstance(node, dict) and rng.random() < 0.2:
        value = node.pop(key)
        if rng.random() < 0.5:
            node[str(odd)] = value
    else:
        node[key] = odd
    return root


def _changed_table(data: bytes, rng: Random) -> bytes:
    """Return a Parquet file with a column gone, doubled, renamed, of another type, or null."""
    try:
        table = pq.read_table(io.BytesIO(data))
        names = table.column_names
    except (pa.ArrowException, OSError, ValueError):  # a name that is no UTF-8 is the last
        return _changed_bytes(data, (), rng)
    if not names:
        return _changed_bytes(data, (), rng)
    at = rng.randrange(len(names))
    name = names[at]
    match rng.randint(0, 5):
        case 0:
            table = table.remove_column(at)
        case 1:
            table = table.append_column(name, table.column(at))
        case 2:
            table = table.rename_columns(["x" if one == name else one for one in names])
        case 3:
            table = table.set_column(at, name, pa.nulls(len(table), pa.string()))
        case 4:
            table = table.replace_schema_metadata({"prompt_tokens": rng.choice(("[[", "5", "{}"))})
        case _:
            odd = pa.array([rng.choice(ODD_COLUMNS)] * len(table))
            table = table.set_column(at, name, odd)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


ODD_COLUMNS: tuple[Any, ...] = (
    0, -(2**63), 2**62, 1.5, float("nan"), True, "", "x" * 300, "scored", b"\xff", [None], ["a"],
    [[1]], {"a": 1}, {"loss": 1.0},
)  # fmt: skip
