"""What every script of analysis/ has: help, calm errors, notes on where numbers come from."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from airr.records import Idea
from analysis import (
    best_so_far,
    cluster_shares,
    execution_by_model,
    kinds_of_ideas,
    rl_dynamics,
    search_against_best_of_n,
    thinking_length,
    top_ideas,
)
from analysis.example.__main__ import write_campaign
from analysis.example.making import searched, trained
from analysis.shared.campaigns import read_campaigns
from analysis.shared.references import SHIPPED, references_for
from tests.analysis.small import ACCURACY, VALUE, campaign, drawn
from tests.reporting.ledgers import patch

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    best_so_far, cluster_shares, execution_by_model, kinds_of_ideas, rl_dynamics,
    search_against_best_of_n, thinking_length, top_ideas,
]  # fmt: skip


def refused(script: ModuleType, capsys: pytest.CaptureFixture[str], *said: object) -> str:
    with pytest.raises(SystemExit) as ended:
        script.main([*map(str, said)])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: one.__name__)
def test_each_script_teaches_its_use_and_names_its_files(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        script.main(["--help"])
    assert ended.value.code == 0
    name = Path(script.__file__ or "").stem
    told = capsys.readouterr().out
    assert re.search(rf"\n  python analysis/{name}\.py '?runs/", told)
    assert f"{name}.csv" in told


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: one.__name__)
def test_each_script_says_calmly_that_there_is_no_campaign_or_nothing_of_its_kind(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert "no campaign is there" in refused(script, capsys, tmp_path / "none")
    campaign(tmp_path / "empty", [])
    told = refused(script, capsys, tmp_path / "empty", "--output", tmp_path / "figures")
    assert re.match(r"\w+: (no idea|nothing|thinking_tokens)", told), told
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: one.__name__)
def test_each_script_draws_what_was_imported_without_a_baseline(script: ModuleType, tmp_path: Path):
    def told(one: Idea) -> Idea:
        return replace(one, thinking_tokens=one.place[1])

    for name, search in (("a", "imported"), ("b", "best_of_n")):
        patches = [patch("e00-i000", diff=VALUE)]
        campaign(
            tmp_path / name, [[1.9, None, 1.8]], search=search, change=told, more=patches,
            baseline=None,
        )  # fmt: skip
    assert drawn(script, tmp_path, tmp_path / "a", tmp_path / "b")


def test_a_script_runs_as_it_is_written_in_the_documents(tmp_path: Path):
    campaign(tmp_path / "runs" / "a", [[1.9]])
    done = subprocess.run(
        [sys.executable, str(ROOT / "analysis/top_ideas.py"), "runs/a", "--format", "pdf"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["figures/top_ideas.pdf", "figures/top_ideas.csv"]
    assert (tmp_path / "figures/top_ideas.pdf").read_bytes().startswith(b"%PDF")


def test_the_same_campaign_gives_the_same_files(tmp_path: Path):
    campaign(tmp_path / "a", [[1.9, 1.8]])
    for place in ("one", "two"):
        best_so_far.main(
            [str(tmp_path / "a"), "--output", str(tmp_path / place), "--format", "both"]
        )
    for file in ("best_so_far.png", "best_so_far.pdf", "best_so_far.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_measurements_are_passed_over_and_campaigns_of_one_name_are_told_apart(tmp_path: Path):
    campaign(tmp_path / "x" / "a", [[1.9]])
    campaign(tmp_path / "y" / "a", [[1.8]])
    measured = campaign(tmp_path / "y" / "a-verify", [[1.8]])
    raw = yaml.safe_load(measured.config.read_text())
    del raw["config"]["search"]
    raw["config"]["seeds"] = 3
    measured.config.write_text(yaml.safe_dump(raw))
    found = read_campaigns([str(tmp_path / "?" / "*")])
    assert [one.name for one in found] == [str(tmp_path / at / "a") for at in "xy"]


def test_what_does_not_compare_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    campaign(tmp_path / "a", [[1.9]])
    campaign(tmp_path / "b", [[0.9]], metric=ACCURACY)
    told = refused(best_so_far, capsys, tmp_path / "a", tmp_path / "b")
    assert "measure different things: a val_loss, b accuracy" in told


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["--by", "search.nme"], "--by search.nme: no campaign has such a setting"),
        (["--references", "none.yaml"], "--references none.yaml: there is no such file"),
        (["--references", "LICENSE"], "does not have the form of"),
        (["--output", "LICENSE"], "--output LICENSE: this is a file"),
    ],
)
def test_wrong_arguments_are_named(
    said: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    campaign(tmp_path / "a", [[1.9]])
    assert message in refused(best_so_far, capsys, tmp_path / "a", *said)


def test_a_model_that_labels_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    campaign(tmp_path / "a", [[1.9]])
    told = refused(kinds_of_ideas, capsys, tmp_path / "a", "--labels", "model")
    assert "--provider anthropic --model NAME" in told


def test_the_shipped_references_name_environments_that_there_are_and_their_metric():
    for env, metrics in yaml.safe_load(SHIPPED.read_text()).items():
        settings = yaml.safe_load((ROOT / "conf/env" / f"{env}.yaml").read_text())
        assert [*metrics] == [settings["metric"]["name"]]
        low, high = settings["metric"]["plausible"]
        for one in references_for(env, *metrics):
            assert low <= one.value <= high
            assert one.source


def test_the_example_says_in_every_campaign_that_it_is_none(tmp_path: Path):
    for made in (searched("accuracy", "evolution", "model-b", 0), trained("loss", 0)):
        write_campaign(tmp_path, made)
    found = read_campaigns([str(tmp_path / "*")])
    assert len(found) == 2
    for one in found:
        assert one.notes == ("an example: a made-up landscape of ideas, nothing was trained",)
        assert one.env.startswith("example_")
    accuracies = found[0].scored.metric
    assert accuracies.between(0.2, 0.8).all()
    assert drawn(rl_dynamics, tmp_path, tmp_path / "loss-rl-s0")[""].ideas.unique() == [64]


def test_what_no_model_wrote_is_said(tmp_path: Path):
    campaign(tmp_path / "a", [[1.9]], model="offline", more=[patch("e00-i000", model="offline")])
    campaign(tmp_path / "b", [[1.9]], model="policy", more=[patch("e00-i000", model="offline")])
    campaign(tmp_path / "c", [[1.9]], more=[patch("e00-i000")])
    of_ideas, of_diffs = (f"{what} from airr's catalogue: no model " for what in ("ideas", "diffs"))
    notes = {one.name: one.notes for one in read_campaigns([str(tmp_path / "*")])}
    assert notes == {
        "a": (f"{of_ideas}had them", f"{of_diffs}wrote them"),
        "b": (f"{of_diffs}wrote them",),
        "c": (),
    }


def test_every_figure_of_the_readme_is_there_and_small():
    told = (ROOT / "analysis/README.md").read_text()
    shown = set(re.findall(r"\]\(figures/(\w+)\.png\)", told))
    assert shown == {Path(script.__file__ or "").stem for script in SCRIPTS}
    for name in shown:
        assert (ROOT / f"analysis/figures/{name}.png").stat().st_size < 80_000
        assert f"python analysis/{name}.py" in told
        assert f"$(call DRAW,{name})" in (ROOT / "Makefile").read_text()
