"""Flags, which every verb has alike: what they show, and what is said of those there are not."""

from __future__ import annotations

import sys

import pytest
import yaml

from airr.__main__ import VERBS
from airr.errors import ConfigError
from airr.flags import asked_by
from airr.verb import run_verb

NONE = r"is no flag here: there are --help, --version, --cfg job and -m; a setting is written key=v"


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *asked: str) -> str:
    """Return what a verb prints that is asked to show something, and must not do anything."""
    verb, *arguments = asked
    monkeypatch.setattr(sys, "argv", [verb, *arguments])
    run_verb(verb, lambda _: pytest.fail("it began"), short={"--json": "json=true"})
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--foo", f"^--foo {NONE}"),
        ("seed=1 --env nanogpt", f"^--env {NONE}"),
        ("-cn x", f"^-cn {NONE}"),
        ("--info searchpath", f"^--info {NONE}"),
        ("--hydra-help", f"^--hydra-help {NONE}"),
        ("--run", f"^--run {NONE}"),
        ("--hepl", r"did you mean --help\?$"),
        ("--jsn", r"did you mean --json\?$"),
        ("--seed=1", r"a setting has no dashes, write seed=1$"),
        ("--dry-run", r"write \+dry_run=true$"),
        ("--config-dir mine", r"are found by hydra\.searchpath=\[file://FOLDER\]$"),
        ("--cfg", "--cfg job prints the settings"),
        ("--cfg hydra", "--cfg job prints the settings"),
        ("--cfg seed=1", "--cfg job prints the settings"),
        ("--resolve", "--resolve and --package GROUP go with --cfg job"),
        ("--package search", "--resolve and --package GROUP go with --cfg job"),
        ("--help=seed", f"--help.*{NONE[16:]}"),
    ],
)
def test_a_flag_that_there_is_not_is_answered_with_what_to_write(line: str, message: str):
    with pytest.raises(ConfigError, match=message):
        asked_by(line.split(), {"--json": "json=true"})


def test_settings_may_stand_before_flags_between_them_and_behind():
    asked = asked_by(["env=example", "--cfg", "job", "+dry_run=true", "--resolve", "~seed"])
    assert asked.settings == ["env=example", "+dry_run=true", "~seed"]
    assert (asked.cfg, asked.resolve, asked.help, asked.multirun) == ("job", True, False, False)
    assert asked_by(["--json"], {"--json": "json=true"}).settings == ["json=true"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_its_settings_its_version_and_its_help(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    settings = yaml.safe_load(shown(monkeypatch, capsys, verb, "--cfg", "job"))
    taught = shown(monkeypatch, capsys, verb, "-h")
    assert f"python -m airr.{verb}" in taught
    assert all(f"\n{name}:" in taught for name in settings)
    assert "Flags: --cfg job prints the settings alone" in taught
    assert "$" not in taught.partition("Settings")[0]
    assert shown(monkeypatch, capsys, verb, "--version").startswith("airr 0.")


def test_the_settings_of_a_group_are_shown_as_they_come_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    whole = ("evolve", "search.epochs=7", "--cfg", "job", "--resolve", "seed=5")
    assert yaml.safe_load(shown(monkeypatch, capsys, *whole))["campaign"].endswith("-s5")
    group = yaml.safe_load(shown(monkeypatch, capsys, *whole, "--package", "search"))
    assert (group["name"], group["epochs"]) == ("evolution", 7)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--help", "foo=3"], "airr: unknown setting foo: --help lists what there is"),
        (["--cfg", "job", "--package", "serach"], "--package serach: there is no such group"),
        (["--foo"], "airr: --foo is no flag here"),
    ],
)
def test_what_cannot_be_shown_is_a_message_and_status_2(
    asked: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    with pytest.raises(SystemExit) as ended:
        shown(monkeypatch, capsys, "evolve", *asked)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
