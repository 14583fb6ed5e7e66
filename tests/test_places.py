"""What says where and is no place, and a preparation that is broken off."""

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airr.composition import compositions
from airr.errors import ConfigError

READING = {
    "status": [],
    "report": [],
    "cancel": ["campaign=x"],
    "verify": ["campaign=x"],
    "wandb": ["campaign=x"],
    "trajectories": ["campaign=x", "export=x.jsonl"],
}


def begin(verb: str, *settings: str) -> None:
    (raw,) = compositions(verb, settings)
    importlib.import_module(f"airr.{verb}").main(raw)


@pytest.mark.parametrize("verb", READING)
@pytest.mark.parametrize("said", ["7", "null", "true", "[a,b]"])
def test_a_root_that_is_no_text_is_refused_by_every_verb(verb: str, said: str):
    with pytest.raises(ConfigError, match=r"^root=.* does not fit: it takes str"):
        begin(verb, *READING[verb], f"root={said}")


@pytest.mark.parametrize("verb", ["status", "cancel", "verify", "wandb", "trajectories"])
@pytest.mark.parametrize("said", ["7", "[a,b]"])
def test_a_campaign_that_is_no_text_is_refused_by_every_verb_but_the_report(verb: str, said: str):
    with pytest.raises(ConfigError, match=r"^campaign=.* does not fit: it takes str"):
        begin(verb, *READING[verb][1:], f"campaign={said}")


@pytest.mark.parametrize("verb", ["cancel", "verify", "wandb", "trajectories"])
def test_who_names_no_campaign_is_told_what_lists_those_of_this_root(verb: str):
    with pytest.raises(ConfigError, match=r"^which campaign\? .* airr\.status root=mine lists"):
        begin(verb, *READING[verb][1:], "root=mine")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("7", "^data=7 does not fit: it takes str"),
        ("/proc/x", "^/proc/x cannot be written: .* Choose another data=, or"),
        ("file", "file cannot be written: .*Not a directory.* Choose another data=, or"),
    ],
)
def test_data_that_can_be_no_folder_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, why: str
):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=why):
        begin("prepare", "env=example", f"data={said}")


def test_a_preparation_that_is_broken_off_says_so_in_one_line(tmp_path: Path):
    slow = json.dumps(["{python}", "-c", "import time; print('begun', flush=True); time.sleep(60)"])
    begun = subprocess.Popen(
        [sys.executable, "-m", "airr.prepare", "env=example", f"env.prepare.argv={slow}"],
        cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert begun.stdout
    assert begun.stdout.readline() == "begun\n"
    os.killpg(begun.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
    _, told = begun.communicate(timeout=30)
    assert told == "airr: stopped; the same command goes on from here\n"
    assert begun.returncode == 130
