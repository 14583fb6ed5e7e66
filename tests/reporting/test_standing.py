"""`python -m airr.status`: the same facts for eyes and for scripts, and looks that cost little."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from airr.errors import ConfigError, WorkspaceError
from airr.ledger import read_records
from airr.records import Call
from airr.reporting.looking import Looker
from airr.reporting.standing import Standing, Unreadable, see, standing_of
from airr.reporting.standing_lines import AnyStanding, shown
from airr.reporting.watching import watch
from airr.summary import spend_by_role
from airr.totals import spend_in
from tests.reporting.ledgers import campaign, small, trained


def run(verb: str, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"airr.{verb}", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def looker(place: Path, **fields: object) -> Looker:
    settings = {"root": place / "runs", "named": None, "patience": 1.0, "environment": os.environ}
    return Looker(**settings | fields)  # pyright: ignore[reportArgumentType]


def text_of(standing: AnyStanding) -> str:
    written = io.StringIO()
    Console(file=written, width=100).print(shown(standing))
    return written.getvalue()


def test_one_document_for_scripts_says_what_the_report_and_the_terminal_say(tmp_path: Path):
    small(tmp_path / "runs" / "x")
    told = json.loads(run("status", "--json", cwd=tmp_path))["campaigns"][0]
    (report,) = json.loads(run("report", "campaign=x", "format=json", cwd=tmp_path))["campaigns"]
    assert told["state"] == "interrupted"
    for same in ("name", "env", "epochs_wanted", "ideas_wanted", "fates", "metric", "baseline"):
        assert told[same] == report[same]
    best = told["best"][0]
    assert (best["id"], best["score"]) == (report["best"], report["best_score"])
    assert best["gain"] == report["best_gain"]
    assert best["title"] == next(i["title"] for i in report["ideas"] if i["id"] == best["id"])
    assert told["gpu_hours"] == report["cost"]["gpu_hours"]
    usd = sum(spend["usd"] for spend in told["spent"].values())
    assert usd == pytest.approx(report["cost"]["usd"])
    assert told["withheld"] == {"e01-i002": "too good"}
    (standing,) = looker(tmp_path).look()
    assert isinstance(standing, Standing)
    lines = text_of(standing)
    assert "x: interrupted: the same command goes on" in lines
    assert "8 ideas proposed, 4 scored, 2 failed: 1 crash, 1 no_patch" in lines
    assert "held    e01-i002 until it is verified: too good" in lines
    assert "e01-i000 1.8000 ± 0.0100 +0.2000 ± 0.014 Idea number 0" in " ".join(lines.split())


def test_sums_by_column_are_those_over_records(tmp_path: Path):
    ledger = small(tmp_path / "runs" / "x").ledger
    assert spend_in(ledger) == spend_by_role(read_records(ledger, Call))
    assert spend_in(campaign(tmp_path / "runs" / "new", []).ledger) == {}


def test_the_jobs_of_a_policy_count_among_the_hours_to_come(tmp_path: Path):
    plain, taught = small(tmp_path / "runs" / "a"), trained(tmp_path / "runs" / "b")
    searched, learned = (standing_of(see(workspace)) for workspace in (plain, taught))
    assert isinstance(searched, Standing)
    assert isinstance(learned, Standing)
    of_jobs = learned.gpu_hours_to_come - searched.gpu_hours_to_come
    assert of_jobs == pytest.approx(2 * 2 * 4 * 900 / 3600), "two epochs, on two nodes of four GPUs"
    assert "policy: 1 of 3 updates" in text_of(learned)


def test_a_damaged_campaign_hides_none_of_the_others(tmp_path: Path):
    small(tmp_path / "runs" / "x")
    (campaign(tmp_path / "runs" / "broken", []).config).write_text("config: [")
    broken, whole = looker(tmp_path).look()
    assert isinstance(broken, Unreadable)
    assert "broken: " in text_of(broken)
    assert isinstance(whole, Standing)
    told = json.loads(run("status", "json=true", cwd=tmp_path))["campaigns"]
    assert [one["kind"] for one in told] == ["unreadable", "search"]


@pytest.mark.parametrize("root", ["runs", "nowhere"])
def test_without_a_campaign_scripts_get_an_empty_list_and_people_a_word(
    tmp_path: Path, root: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)  # whose campaigns lie where the tests are run is no matter
    assert json.loads(run("status", "--json", f"root={root}", cwd=tmp_path))["campaigns"] == []
    with pytest.raises(WorkspaceError, match=rf"no campaign below {root}: start one with"):
        looker(tmp_path, root=Path(root)).look_at_some()


@pytest.mark.parametrize(
    ("text", "what"), [("", "nothing"), ("- 1\n", "a list"), ("7", "a number"), ("oh", "a text")]
)
def test_what_stands_in_place_of_a_campaign_s_settings_is_said(
    tmp_path: Path, text: str, what: str
):
    workspace = small(tmp_path / "runs" / "x")
    workspace.config.write_text(text)
    (standing,) = looker(tmp_path).look()
    said = " ".join(text_of(standing).split())
    assert f"it holds {what}, where values with their names should stand" in said


def test_a_terminal_is_redrawn_until_ctrl_c_which_is_no_error(tmp_path: Path):
    small(tmp_path / "runs" / "x")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "airr.status", "--watch"],
        cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
    ) as watching:  # fmt: skip
        seen = b""
        while b"Ctrl-C ends" not in seen:
            seen += os.read(ours, 65536)
        watching.send_signal(signal.SIGINT)
        _, complaints = watching.communicate(timeout=20)
    os.close(ours)
    os.close(theirs)
    assert b"interrupted: the same command goes on" in seen
    assert (watching.returncode, complaints) == (0, b"")


def test_looks_follow_each_other_slowly_and_the_more_so_the_longer_they_take(tmp_path: Path):
    small(tmp_path / "runs" / "x")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    watch(looker(tmp_path), Console(file=io.StringIO(), force_terminal=True, width=80), sleep)
    assert min(pauses) >= 10
    with pytest.raises(ConfigError, match="this is none"):
        watch(looker(tmp_path), Console(file=io.StringIO()))


def test_slurm_is_asked_once_for_many_looks(tmp_path: Path):
    workspace = small(tmp_path / "runs" / "x")
    text = workspace.config.read_text().replace("scheduler: local", "scheduler: slurm")
    workspace.config.write_text(text)
    asked = tmp_path / "asked"
    (tmp_path / "squeue").write_text(f"#!/bin/sh\necho asked >> {asked}\n")
    (tmp_path / "squeue").chmod(0o755)
    open_run(workspace.jobs)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    often = looker(tmp_path, environment=environment)
    for _ in range(3):
        (standing,) = often.look()
        assert isinstance(standing, Standing)
        assert standing.open.said == "0 running; 0 waiting"
    assert asked.read_text().splitlines() == ["asked"]
    at_once = looker(tmp_path, environment=environment, ask_seconds=0.0)
    for _ in range(2):
        at_once.look()
        time.sleep(0.01)
    assert len(asked.read_text().splitlines()) == 3


def open_run(jobs: Path) -> None:
    """Put a batch on record whose run has no row in the ledger."""
    command = {"argv": [], "environment": {}}
    plan = {
        "env_folder": "", "train_data": "", "sealed_data": "", "train": command, "score": command,
        "score_settings": {}, "checkpoint": "", "checkpoint_limit_mb": 1, "budget_seconds": 1,
        "score_seconds": 1, "nodes": 1, "gpus": 0, "cpus": 1, "memory_gb": 1, "disk_gb": 1,
        "sandbox": "bubblewrap",
    }  # fmt: skip
    key = {"idea_id": "e01-i003", "repeat": 0, "attempt": 0}
    run = {"key": key, "seed": 0, "codebase": "", "codebase_sha256": ""}
    batch = {
        "name": "airr-x-abc123-b0001", "inbox": "", "plan": plan, "pack": 1, "runs": [run],
        "exclude_nodes": [], "created_at": 0.0,
    }  # fmt: skip
    folder = jobs / "airr-x-abc123-b0001"
    folder.mkdir()
    (folder / "batch.json").write_text(json.dumps(batch))
