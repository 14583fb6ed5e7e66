"""Files of a campaign's folder: torn, edited by hand, of another version, or foreign altogether."""

from __future__ import annotations

import json
import os
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airr.charter import check_fork, existing_charter, read_charter
from airr.errors import AirrError
from airr.exchange.outgoing import outgoing_of
from airr.executor.openruns import recover_open_runs
from airr.lease import Lease, holder_of, remove_lease_of
from airr.ledger import TABLES, Ledger, load, read_records
from airr.llm.batches import Batched
from airr.llm.journal import Journal
from airr.llm.lines import TornEnd
from airr.llm.prices import load_prices
from airr.records import OutcomeRow, outcomes_of
from airr.reporting.reading import read_campaign
from airr.reporting.standing import see, standing_of
from airr.resources import resource
from airr.workspace import Workspace
from tests.fuzz.target import JSON_WORDS, YAML_WORDS, Target, own_folder
from tests.reporting.ledgers import trained

PRICES = resource("conf") / "prices.yaml"


@cache
def _campaign() -> dict[str, bytes]:
    """Return every file of a small campaign whose ideas a policy proposed."""
    with TemporaryDirectory() as made:
        folder = Path(made) / "small"
        trained(folder)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _put(folder: Path, files: dict[str, bytes]) -> Workspace:
    """Write files into a campaign's folder."""
    workspace = Workspace(folder / "small")
    workspace.create()
    for name, content in files.items():
        path = workspace.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return workspace


def _with(name: str, data: bytes, look: Callable[[Workspace], object]) -> None:
    """Look at a small campaign in which one file holds something else."""
    files = _campaign() | {name: data}
    with own_folder() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", TornEnd)
        look(_put(folder, files))


def _all_of(workspace: Workspace) -> None:
    """Do what the verbs that read do."""
    readers: tuple[Callable[[], object], ...] = (
        lambda: standing_of(see(workspace)),
        lambda: read_campaign(workspace),
        lambda: outgoing_of(workspace),
        lambda: load(workspace.folder),
    )
    for read in readers:
        try:
            read()
        except AirrError:
            continue


def _charter(data: bytes) -> None:
    def look(workspace: Workspace) -> None:
        _all_of(workspace)
        charter = read_charter(workspace)
        config = {"campaign": "small", "env": {"metric": {"direction": "minimize"}}}
        hashes = {"env_sha256": "0", "data_sha256": ""}
        for check in (existing_charter, check_fork):
            try:
                check(workspace, config, **hashes)
            except AirrError:
                continue
        charter.to_yaml()

    _with("campaign.yaml", data, look)


def _manifest(data: bytes) -> None:
    def look(workspace: Workspace) -> None:
        _all_of(workspace)
        Ledger(workspace.ledger)

    _with("ledger/manifest.json", data, look)


def _part(data: bytes) -> None:
    """Read a part as one of each table, since its own schema says nothing."""

    def look(workspace: Workspace) -> None:
        tables: dict[str, list[str]] = {}
        for name in TABLES:
            (workspace.ledger / name).mkdir(exist_ok=True)
            (workspace.ledger / name / "part-fuzz.parquet").write_bytes(data)
            tables[name] = ["part-fuzz.parquet"]
        text = json.dumps({"format": 1, "version": 9, "tables": tables})
        (workspace.ledger / "manifest.json").write_text(text)
        _all_of(workspace)
        for kind in TABLES.values():
            try:
                read_records(workspace.ledger, kind)
            except AirrError:
                continue
        outcomes_of(read_records(workspace.ledger, OutcomeRow))

    _with("ledger/ideas/part-fuzz.parquet", data, look)


def _parts() -> list[bytes]:
    return [content for name, content in _campaign().items() if name.endswith(".parquet")]


def _line(record: Any) -> bytes:
    body = json.dumps(record, separators=(",", ":")).encode()
    return b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(body), body)


CALL = {
    "kind": "call", "id": "e00-i000/s0/r0", "prompt_hash": "0" * 64, "purpose": "implement",
    "provider": "anthropic", "model": "m", "system": {"text": "s"},
    "messages": [["user", {"sha256": "0" * 64}]], "temperature": 1.0, "max_tokens": 10,
    "thinking_tokens": 0, "seed": 0, "left_out": "", "usd": 0.5, "latency_seconds": 1.0,
    "created_at": "2026-11-28T10:00:00+00:00",
    "completion": {"text": "t", "thinking": "", "stop_reason": "end", "model": "m",
                   "stop_detail": "", "discount": 0.0,
                   "usage": {"input_tokens": 1, "cache_read_tokens": 0, "cache_write_tokens": 0,
                             "output_tokens": 2, "thinking_tokens": 0}},
}  # fmt: skip
TEXT = {"kind": "text", "sha256": "0" * 64, "text": "x" * 300}


def _lines_of(data: bytes) -> bytes:
    """Return lines whose checksums are right where they can be: a wrong one hides all behind it."""
    lines: list[bytes] = []
    for line in data.splitlines(keepends=True):
        body = line.removesuffix(b"\n").partition(b'"record":')[2][:-1]
        whole = line.endswith(b"}\n") and body and not line.startswith(b"!")
        lines.append(
            b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(body), body) if whole else line
        )
    return b"".join(lines)


def _journal(data: bytes) -> None:
    def look(workspace: Workspace) -> None:
        journal = Journal(workspace.journal, {}, load_prices(PRICES))
        try:
            assert journal.usd >= 0, "what was spent is a number"
            for position, _ in enumerate(journal.calls_after(0)):
                try:
                    journal.prompt(position)
                except AirrError:
                    continue
            Ledger(workspace.ledger).append(journal.calls_after(0))
        finally:
            journal.close()

    _with("journal.jsonl", _lines_of(data), look)


def _batches(data: bytes) -> None:
    def look(workspace: Workspace) -> None:
        batched = Batched(None, workspace.batches / "ideator.jsonl")  # pyright: ignore
        batched._read_file()
        if batched._lines:
            batched._lines.close()

    _with("batches/ideator.jsonl", _lines_of(data), look)


def _lease(data: bytes) -> None:
    def look(workspace: Workspace) -> None:
        if data[:1] == b"\n":  # an old one: its holder's pulse stands still
            os.utime(workspace.lease / "00000003.json", (0, 0))
        (workspace.lease / "notes.txt").write_bytes(data)
        if holder := holder_of(workspace.lease):
            str(holder)
            remove_lease_of(holder, workspace.lease)
        Lease.acquire(workspace.lease).release()

    _with("lease/00000003.json", data, look)


def _lease_seeds() -> list[bytes]:
    with TemporaryDirectory() as made:
        Lease.acquire(Path(made)).release()
        lease = Lease.acquire(Path(made))
        written = json.loads(lease.path.read_bytes())
    elsewhere = written | {"host": "n1", "job": "airr-head-x-000000"}
    return [json.dumps(one).encode() for one in (written, elsewhere)]


def _withdrawn(data: bytes) -> None:
    def look(workspace: Workspace) -> None:
        recover_open_runs(workspace, ())

    _with("jobs/airr-abc-0001/withdrawn.json", data, look)


TARGETS = (
    Target(
        name="campaign_yaml",
        reads=("airr.charter.read_charter", "airr.plain_yaml.yaml_in"),
        read=_charter,
        seeds=lambda: (_campaign()["campaign.yaml"],),
        words=YAML_WORDS,
    ),
    Target(
        name="ledger_manifest",
        reads=("airr.ledger._read_manifest",),
        read=_manifest,
        seeds=lambda: (_campaign()["ledger/manifest.json"],),
        words=(*JSON_WORDS, b'"../../"', b'"ideas"', b"part-"),
    ),
    Target(
        name="ledger_part",
        reads=("airr.parts.read_part", "airr.ledger.read_records"),
        read=_part,
        seeds=_parts,
        words=(b"PAR1",),
    ),
    Target(
        name="journal",
        reads=("airr.llm.journal.Journal", "airr.llm.entries.is_call", "airr.llm.lines.LineFile"),
        read=_journal,
        seeds=lambda: (_line(TEXT) + _line(CALL), _line(CALL) + b'{"crc32":"0'),
        words=(*JSON_WORDS, b'"record":', b"}\n", b"!"),
    ),
    Target(
        name="batches_file",
        reads=("airr.llm.batches.Batched",),
        read=_batches,
        seeds=lambda: (
            _line({"kind": "sent", "batch": "5f", "members": ["a"], "at": 1.5})
            + _line({"kind": "known", "batch": "5f", "id": "msgbatch_1"}),
        ),
        words=(*JSON_WORDS, b'"record":', b"}\n", b"!"),
    ),
    Target(
        name="lease",
        reads=("airr.lease.holder_of", "airr.lease.Lease"),
        read=_lease,
        seeds=_lease_seeds,
        words=JSON_WORDS,
    ),
    Target(
        name="withdrawn",
        reads=("airr.executor.openruns.recover_open_runs",),
        read=_withdrawn,
        seeds=lambda: (b'["e00-i000.r0.a0"]',),
        words=JSON_WORDS,
    ),
)
