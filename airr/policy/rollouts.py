"""A group of rollouts, as one Parquet file: exactly what was sampled, token by token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airr.errors import WorkspaceError
from airr.foreign import json_in, record_of
from airr.workspace import write_atomically

SCHEMA = pa.schema(
    [
        ("place", pa.int32()),
        ("tokens", pa.list_(pa.int32())),
        ("logprobs", pa.list_(pa.float32())),
        ("thinking", pa.string()),
        ("text", pa.string()),
        ("thinking_tokens", pa.int32()),
        ("finished", pa.bool_()),
    ]
)
PROMPT = b"prompt_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One answer of the policy.

    `logprobs` are those of its `tokens`, natural logarithms, at the temperature of sampling, by the
    weights that sampled them. `text` is what follows the thinking. One that met the limit of
    tokens is not finished.
    """

    place: int
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    thinking: str
    text: str
    thinking_tokens: int
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rollouts of one prompt, in the order of their places."""

    prompt: tuple[int, ...]
    rollouts: tuple[Rollout, ...]


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What all rollouts of a file answer."""

    tokens: tuple[int, ...]


def write_group(path: Path, group: Group) -> None:
    """Put a group's file in place, whole or not at all."""
    ordered = sorted(group.rollouts, key=lambda one: one.place)
    table = pa.Table.from_pylist([asdict(one) for one in ordered], SCHEMA)
    table = table.replace_schema_metadata({PROMPT: json.dumps(group.prompt)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_atomically(path, sink.getvalue().to_pybytes())


def read_group(path: Path, columns: Sequence[str] | None = None) -> Group:
    """Return the group of a file; columns that are not named come empty.

    Raises:
        WorkspaceError: the file is damaged.
    """
    try:
        wanted = [*columns] if columns else SCHEMA.names
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=wanted)
        there = table.schema
        if len(there) != len(wanted) or any(
            there.field(name).type != SCHEMA.field(name).type for name in wanted
        ):
            raise ValueError("its columns are others")  # noqa: TRY301
        prompt = record_of(_Prompt, {"tokens": json_in((table.schema.metadata or {})[PROMPT])})
        rows = table.to_pylist()
        if any(value is None for row in rows for value in row.values()):
            raise ValueError("it lacks values")  # noqa: TRY301
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise WorkspaceError(
            f"{path} is damaged ({error}): remove {path.parent}, and the group is sampled again"
        ) from error
    absent: dict[str, Any] = {"tokens": (), "logprobs": (), "thinking": "", "text": ""}
    return Group(
        prompt=prompt.tokens,
        rollouts=tuple(Rollout(**{**absent, **_tuples(row)}) for row in rows),
    )


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def split_thinking(text: str) -> tuple[str, str]:
    """Return what a model thought, and what it then said.

    One that never ended its thinking said nothing; one without any said all of it.
    """
    before, end, after = text.partition("</think>")
    if end:
        return before.removeprefix("<think>").strip(), after.strip()
    if text.lstrip().startswith("<think>"):
        return text.strip().removeprefix("<think>").strip(), ""
    return "", text.strip()
