"""Trainings that are ended for their curves: by what rule, and what a candidate can do about it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airr.batch import Batch, Result, plain_curve
from airr.curves import TENTHS, Bar, CurveOf, CurveReader, bar_of, best_so_far, hopeless
from airr.errors import ConfigError
from airr.executor.plausibility import Scores
from airr.executor.results import judge_result
from airr.ledger import load
from airr.parsing import parse_config
from airr.records import Dropped, Reason
from tests import toy
from tests.builders import LOSS
from tests.test_config import composed
from tests.test_evolve import airr

OF = CurveOf(name="loss", minimize=True)
a_curve = st.dictionaries(st.sampled_from(TENTHS), st.floats(0.0, 9.0))


def read(*pieces: bytes) -> dict[int, float]:
    reader = CurveReader(OF)
    for piece in pieces:
        reader.feed(piece)
    return reader.curve


def test_a_curve_is_the_mean_of_each_tenth_that_is_whole():
    log = (
        b"step 5/100  loss 5.0  lr 1\nstep 10/100  loss 4\nstep 20/100 loss 3\nstep 25/100 loss 1\n"
    )
    assert read(log) == {10: 4.5, 20: 3.0}
    assert read(*(log[n : n + 1] for n in range(len(log)))) == {10: 4.5, 20: 3.0}


@given(pieces=st.lists(st.binary(max_size=60), max_size=20))
def test_whatever_a_log_holds_little_is_kept_of_it(pieces: list[bytes]):
    curve = read(b"step 50/100 loss 2\n", *pieces)
    assert curve.keys() <= {*TENTHS}


@pytest.mark.parametrize(
    "line",
    [
        b"step 0/0 loss 1",
        b"step 7/5 loss 1",
        b"step 50/100 loss nan",
        b"step 50/100 loss 1e999",
        b"step 50/100 gloss 1",
        b"step 50 loss 1",
        b"x" * 3000 + b" step 50/100 loss 1",
    ],
)
def test_a_line_that_tells_nothing_is_passed_over(line: bytes):
    assert read(line + b"\n") == {}


def test_steps_that_go_back_do_not_mend_a_curve():
    assert read(b"step 60/100 loss 4\nstep 30/100 loss 1\nstep 60/100 loss 4\n") == {60: 4.0}


@given(curves=st.lists(a_curve, max_size=12), minimize=st.booleans(), quantile=st.floats(0.1, 1))
def test_of_the_curves_that_set_a_bar_no_more_are_worse_than_the_quantile_says(
    curves: list[dict[int, float]], minimize: bool, quantile: float
):
    bar = bar_of(curves, quantile=quantile, first=30, least=3, minimize=minimize)
    assert all(30 <= tenth < 100 for tenth in bar.values)
    for tenth, limit in bar.values.items():
        bests = [best_so_far(curve, minimize=minimize).get(tenth) for curve in curves]
        known = [best for best in bests if best is not None]
        worse = [best for best in known if (best > limit if minimize else best < limit)]
        assert len(known) >= 3
        assert len(worse) <= (1 - quantile) * len(known) + 1e-9
    backwards = bar_of(curves[::-1], quantile=quantile, first=30, least=3, minimize=minimize)
    assert backwards == bar, "it does not depend on the order of the runs"


def test_a_curve_is_hopeless_where_its_best_is_first_worse_than_the_bar():
    bar = Bar(quantile=0.9, curves=8, values={30: 3.0, 40: 2.5})
    assert hopeless({10: 9.0, 20: 2.9, 30: 3.5}, bar, minimize=True) is None, "its best counts"
    found = hopeless({20: 3.2, 30: 3.0, 40: 2.6}, bar, minimize=True)
    assert found is not None
    assert (found.tenth, found.value, found.bar) == (40, 2.6, 2.5)
    assert hopeless({30: 2.0}, bar, minimize=False) is not None


STEPPING = """\
import os, pathlib, time
from recipe import VALUE
out = pathlib.Path(os.environ["AIRR_OUT"], "checkpoint.txt")
out.write_text(str(VALUE))
for step in range(1, 11):
    print(f"step {step}/10  loss {VALUE + 1 / step:.4f}", flush=True)
    time.sleep(PAUSE)
"""


def result_of(folder: Path, train: str, **fields: Any) -> Result:
    toy.make_env(folder)
    bar = Bar(quantile=0.9, curves=8, values={30: 2.5, 50: 2.5})
    plan = toy.plan(folder, curve=OF, bar=bar, budget_seconds=20.0)
    tree = toy.tree(train, value=fields.pop("value", 2.0))
    path = toy.write_batch(folder, tree, plan, f"airr-{folder.name}")
    if fields:
        raw = json.loads(path.read_text())
        raw["runs"][0]["key"] |= fields
        path.write_text(json.dumps(raw))
    assert Batch.from_json(path.read_bytes()).plan == plan
    subprocess.run([sys.executable, "-m", "airr.worker", str(path), "0"], check=True)
    (record,) = (folder / "inbox").glob("*.json")
    return Result.from_json(record.read_bytes())


def test_a_hopeless_training_is_ended_and_has_no_score_though_it_saved(tmp_path: Path):
    slow = STEPPING.replace("PAUSE", "0.2 if step < 4 else 60")
    result = result_of(tmp_path, slow, value=3.0)
    assert (result.reason, result.metric) == (Reason.HOPELESS, None)
    assert result.train_seconds < 15
    outcome = judge_result(result, Scores(LOSS))
    assert isinstance(outcome, Dropped)
    assert "ended at 30 % of its steps: its best 3.333" in outcome.detail
    assert "worse than 2.5, the 0.9 quantile of 8 earlier runs" in outcome.detail


def test_one_that_is_not_hopeless_is_scored_by_its_checkpoint_and_keeps_its_curve(tmp_path: Path):
    result = result_of(tmp_path, STEPPING.replace("PAUSE", "0"), value=2.0)
    assert result.metric == 2.0
    assert result.curve[50] == 2.2
    assert {*result.curve} == {*TENTHS}


@pytest.mark.parametrize("key", [{"idea_id": "baseline"}, {"repeat": 1}])
def test_the_baseline_and_further_seeds_are_never_ended_for_their_curves(
    key: dict[str, Any], tmp_path: Path
):
    slow = STEPPING.replace("PAUSE", "1.0 if step == 5 else 0")
    assert result_of(tmp_path, slow, value=3.0, **key).metric == 3.0


def test_a_candidate_that_boasts_gains_no_score_by_it(tmp_path: Path):
    boast = STEPPING.replace("{VALUE + 1 / step:.4f}", "0.0001").replace("PAUSE", "0")
    result = result_of(tmp_path, boast, value=3.0)
    assert result.metric == 3.0


def test_a_foreign_curve_in_a_result_is_cut_down_to_tenths():
    raw = {"10": 1, "15": 2.0, "20": float("inf"), "30": "x", "x" * 99: 1.0}
    assert plain_curve(raw) == {10: 1.0}
    assert plain_curve([1]) == {}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["env=example"], "env=example shows no curve"),
        (["search.early_stopping.quantile=0"], "above 0, at most 1"),
        (["search.early_stopping.from_share=1"], "at least 0, below 1"),
    ],
)
def test_what_would_end_nothing_or_everything_is_refused(overrides: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        parse_config(composed("search.early_stopping.quantile=0.5", *overrides))


def test_a_campaign_drops_what_is_hopeless_beside_earlier_epochs(tmp_path: Path):
    ideas = {
        "good": ("VALUE = 2.0", "VALUE = <<value>>", {"value": ["1.5", "1.6", "1.7", "1.8"]}),
        "bad": ("VALUE = 2.0", "VALUE = <<value>>", {"value": ["3.0", "3.1", "3.2", "3.3"]}),
    }
    pause = "0.01 if step != 5 or 'AIRR_STEPS' in os.environ else 1.5"
    env = toy.make_campaign_env(tmp_path, ideas, STEPPING.replace("PAUSE", pause))
    settings = [
        *("search.epochs=2", "search.ideas_per_epoch=4", "llm=offline", "cluster=local"),
        *("search.early_stopping.quantile=0.5", "search.early_stopping.curves=2"),
        "campaign=toy",
    ]
    done = airr("evolve", *env, *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = load(tmp_path / "runs" / "toy")
    outcomes = tables.outcomes.set_index("idea_id").join(tables.ideas.set_index("id").epoch)
    assert {*outcomes[outcomes.epoch == 0].status} == {"scored"}, "nothing is known yet"
    dropped = outcomes[outcomes.status == "dropped"]
    assert len(dropped)
    assert {*dropped.reason} == {"hopeless"}
    assert {*dropped.stage} == {"train"}
    assert dropped.metric.isna().all()
    runs = tables.runs.set_index("idea_id")
    assert all(len(runs.curve[one]) < 10 for one in dropped.index)
    assert len(runs.curve["baseline"]) == 10
    assert "dropped: " in airr("status", "campaign=runs/toy", cwd=tmp_path).stdout
