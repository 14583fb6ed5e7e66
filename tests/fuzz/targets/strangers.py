"""Files that strangers publish: trajectories, and lists of ideas."""

from __future__ import annotations

import io
import json
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airr.errors import AirrError
from airr.exchange.files import SCHEMA
from airr.exchange.ideas import read_ideas
from airr.exchange.importing import import_file
from airr.exchange.intake import Only
from airr.forks import heritage_of
from airr.ledger import load
from airr.reporting.standing import see, standing_of
from airr.workspace import Workspace
from tests.builders import NOON
from tests.fuzz.target import Target, own_folder

ROWS: list[dict[str, Any]] = [
    {
        "ideator_model": "claude", "executor_model": "gpt", "env": "grpo", "epoch": 0,
        "idea": "[Experiment] Warm up.\n[Code Changes] x", "code_diff": "--- a\n+++ b\n",
        "result": {"accuracy": 0.5, "loss": None},
    },
    {
        "ideator_model": "claude", "executor_model": None, "env": "grpo", "epoch": 1,
        "idea": "Cool down.", "code_diff": None, "result": None,
    },
]  # fmt: skip
IDEAS = b"1. [Experiment] Warm up.\n[Code Changes] lr\n[End]\n"


def _imported(data: bytes, suffix: str) -> None:
    """Import a file, and read the campaign that it became."""
    with own_folder() as folder:
        path = folder / f"trajectories{suffix}"
        path.write_bytes(data)
        workspace = Workspace(folder / "runs" / "paper")
        only = Only(env=None, ideator=None, executor=None)
        import_file(path, workspace, only, None)
        standing_of(see(workspace))
        load(workspace.folder)
        try:
            heritage_of(workspace, 8)
        except AirrError:  # no idea has a score
            return


def _ideas(data: bytes, suffix: str) -> None:
    with own_folder() as folder:
        path = folder / f"ideas{suffix}"
        path.write_bytes(data)
        assert all(idea.text.strip() for idea in read_ideas(path, NOON).ideas)


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


@cache
def _parquet() -> tuple[bytes, ...]:
    found: list[bytes] = []
    plain = [row | {"result": json.dumps(row["result"])} for row in ROWS]
    for rows, schema in ((ROWS, SCHEMA), (plain, None)):
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema), sink)
        found.append(sink.getvalue())
    return tuple(found)


WORDS = (
    b"null", b"[]", b"NaN", b"-Infinity", b"-999", b"1e400", b'{"accuracy": -1}', b'"failed"',
    b"\n", b'{"loss": 0.0}', b'"env": "../../x"', b'{"accuracy": 5}',
)  # fmt: skip

TARGETS = (
    Target(
        name="trajectories_jsonl",
        reads=("airr.exchange.files.read_rows", "airr.exchange.rows.row_of_raw"),
        read=lambda data: _imported(data, ".jsonl"),
        seeds=lambda: (_lines(ROWS), _lines([ROWS[0] | {"result": '{"loss": 2.5}'}])),
        words=WORDS,
    ),
    Target(
        name="trajectories_json",
        reads=("airr.exchange.files.read_rows", "airr.exchange.importing.import_file"),
        read=lambda data: _imported(data, ".json"),
        seeds=lambda: (json.dumps(ROWS).encode(),),
        words=WORDS,
    ),
    Target(
        name="trajectories_parquet",
        reads=("airr.exchange.files.read_rows",),
        read=lambda data: _imported(data, ".parquet"),
        seeds=_parquet,
        words=(b"PAR1",),
    ),
    Target(
        name="ideas_text",
        reads=("airr.exchange.ideas.read_ideas",),
        read=lambda data: _ideas(data, ".md"),
        seeds=lambda: (IDEAS, IDEAS * 3),
        words=(b"[Experiment]", b"[Code Changes]", b"[End]"),
    ),
    Target(
        name="ideas_rows",
        reads=("airr.exchange.ideas.read_ideas",),
        read=lambda data: _ideas(data, ".jsonl"),
        seeds=lambda: (_lines(ROWS), b'{"idea": "x"}\n'),
        words=WORDS,
    ),
)
