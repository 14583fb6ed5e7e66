"""What lies in the inbox: results, what is none, and what cannot be read at this moment."""

import errno
from pathlib import Path

import pytest

from airr.batch import Result
from airr.executor import inbox
from airr.executor.inbox import read_inbox
from airr.records import RunKey
from airr.workspace import Workspace


def workspace_with(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "campaign")
    workspace.create()
    workspace.batch("airr-x-b0000").mkdir()
    return workspace


def result() -> Result:
    key = RunKey(idea_id="e00-i000")
    told = {"node": "n", "job_id": "1", "started_at": 0.0, "ended_at": 1.0}
    return Result(key=key, batch="airr-x-b0000", metric=1.0, **told)  # type: ignore[arg-type]


def test_what_is_no_result_is_set_aside_and_the_others_are_read(tmp_path: Path):
    workspace = workspace_with(tmp_path)
    whole = result()
    workspace.result(whole.key).write_text(whole.to_json())
    (workspace.inbox / "e00-i001.r0.a0.json").write_text(whole.to_json()[:80])
    assert read_inbox(workspace) == [whole]
    assert (workspace.inbox / ".aside-e00-i001.r0.a0.json").exists()


def test_a_result_that_cannot_be_read_now_stays_to_be_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    workspace = workspace_with(tmp_path)
    workspace.result(result().key).write_text(result().to_json())

    def refuse(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(inbox, "content_of", refuse)
        assert read_inbox(workspace) == []
    assert read_inbox(workspace) == [result()]
