"""What training says of itself: numbers at most, whatever the file is."""

import json
import os
from pathlib import Path

import pytest

from airr.batch import Result, plain_numbers
from airr.worker.report import LIMIT_BYTES, read_report


def test_finite_numbers_are_taken_and_nothing_else(tmp_path: Path):
    path = tmp_path / "report.json"
    told = {"speed": 12.5, "steps": 3, "note": "best ever", "ok": True, "deep": {"x": 1}}
    path.write_text(json.dumps(told)[:-1] + ', "bad": NaN, "far": 1e999, "Name": 1, "a b": 2}')
    assert read_report(path) == {"speed": 12.5, "steps": 3.0}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1, 2]",
        b"null",
        b'{"a": 1',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 1' + b" " * LIMIT_BYTES + b"}",
    ],
    ids=["empty", "list", "null", "torn", "no text", "deep", "huge number", "large"],
)
def test_a_file_that_is_no_report_tells_nothing(tmp_path: Path, content: bytes):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    assert read_report(path) == {}


def test_links_pipes_and_folders_are_left_alone(tmp_path: Path):
    (tmp_path / "real.json").write_text('{"a": 1}')
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("link.json", "pipe.json", "folder.json", "absent.json"):
        assert read_report(tmp_path / name) == {}
    assert read_report(tmp_path / "real.json") == {"a": 1.0}


def test_a_number_beyond_all_floats_and_more_than_a_few_are_left_out():
    assert plain_numbers({"far": 10**400, "near": 1}) == {"near": 1.0}
    assert len(plain_numbers({f"n{i}": i for i in range(100)})) == 32


def test_a_result_in_the_inbox_is_not_believed_either():
    key = {"idea_id": "e00-i000", "repeat": 0, "attempt": 0}
    raw = {"key": key, "batch": "b", "stage": None, "reason": None, "metric": 1.0, "node": "",
           "job_id": "", "started_at": 0.0, "ended_at": 1.0}  # fmt: skip
    assert Result.from_json(json.dumps(raw)).reported == {}
    raw["reported"] = {"ok": 1, "no": "text"}
    assert Result.from_json(json.dumps(raw)).reported == {"ok": 1.0}
