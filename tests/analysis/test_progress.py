"""Figures along a campaign: best so far, and search against best-of-N."""

import math
from pathlib import Path

import pytest

from airr.records import row_of
from analysis import best_so_far, search_against_best_of_n
from tests.analysis.small import ACCURACY, campaign, drawn
from tests.builders import idea, scored
from tests.reporting.ledgers import withheld


def test_the_best_so_far_is_the_mean_over_seeds_and_failures_leave_it_as_it_was(tmp_path: Path):
    campaign(tmp_path / "a", [[2.0, None], [None], [1.8]], seed=0)
    campaign(tmp_path / "b", [[1.9], [1.5], [1.7]], seed=1)
    found = drawn(best_so_far, tmp_path, tmp_path / "a", tmp_path / "b")
    lines = found[""]
    assert lines.arm.unique().tolist() == ["evolution"]
    assert lines.seeds.unique().tolist() == [2]
    assert lines.best.tolist() == pytest.approx([1.95, 1.75, 1.65])
    # Student's t of two values: 12.706 x their difference / 2
    assert (lines.high - lines.best).tolist() == pytest.approx([0.6353, 3.1766, 1.9059], abs=1e-3)
    alone = found["campaigns"].set_index(["campaign", "epoch"])
    assert alone.best_idea["a", 1] == "e00-i000"
    assert alone.best_idea["b", 2] == "e01-i000"
    assert alone.runs_so_far["a", 2] == 4


def test_where_higher_is_better_the_best_rises(tmp_path: Path):
    campaign(tmp_path / "a", [[0.4, 0.5], [0.3], [0.6]], metric=ACCURACY, env="sums")
    lines = drawn(best_so_far, tmp_path, tmp_path / "a")[""]
    assert lines.best.tolist() == [0.5, 0.5, 0.6]
    assert lines.low.isna().all(), "one campaign has no interval"


def test_a_withheld_score_is_no_best(tmp_path: Path):
    held = [idea(0, 1, model="m"), row_of(withheld("e01-i000"))]
    campaign(tmp_path / "a", [[1.9]], more=held)
    assert drawn(best_so_far, tmp_path, tmp_path / "a")[""].best.tolist() == [1.9, 1.9]


def test_campaigns_that_differ_in_a_setting_are_lines_of_their_own(tmp_path: Path):
    campaign(tmp_path / "a", [[2.0]], model="opus")
    campaign(tmp_path / "b", [[1.9]], model="opus", seed=1)
    campaign(tmp_path / "c", [[1.8]], model="sonnet")
    campaign(tmp_path / "d", [[1.7]], model="sonnet", search="tree")
    found = drawn(best_so_far, tmp_path, tmp_path / "*")[""].set_index("arm")
    assert found.best.to_dict() == {
        "evolution, opus": 1.95, "evolution, sonnet": 1.8, "tree, sonnet": 1.7
    }  # fmt: skip
    found = drawn(best_so_far, tmp_path, tmp_path / "*", "--by", "search.name")[""]
    assert found.set_index("arm").seeds.to_dict() == {"evolution": 3, "tree": 1}
    found = drawn(best_so_far, tmp_path, tmp_path / "*", "--by", "campaign")[""]
    assert found.arm.tolist() == ["a", "b", "c", "d"]


def test_search_and_best_of_n_are_compared_at_an_equal_number_of_runs(tmp_path: Path):
    for seed, (search, rival) in enumerate([(1.5, 1.8), (1.6, 1.9)]):
        campaign(tmp_path / f"s{seed}", [[2.0, 1.9], [search, 1.9]], seed=seed)
        campaign(tmp_path / f"r{seed}", [[rival, None], [2.0, 2.0]], seed=seed, search="best_of_n")
    found = drawn(search_against_best_of_n, tmp_path, tmp_path / "?[01]", "--budgets", 4)[""]
    search = found[found.arm == "evolution"].set_index("runs")
    assert search.best.to_dict() == pytest.approx({1: 2.0, 2: 1.9, 3: 1.55, 4: 1.55})
    assert search.ahead.to_dict() == pytest.approx({1: -0.15, 2: -0.05, 3: 0.3, 4: 0.3})
    # Welch: means 0.3 apart, each with a standard error of 0.05, two degrees of freedom
    assert search.p[4] == pytest.approx(0.0513, abs=1e-3)
    assert found[found.arm == "best_of_n"].ahead.isna().all()


def test_further_seeds_count_as_runs_and_are_one_score(tmp_path: Path):
    again = [row_of(scored("e00-i000", 1.7, repeat=n)) for n in (1, 2)]
    campaign(tmp_path / "a", [[2.0, 1.9]], more=again)
    campaign(tmp_path / "b", [[2.0, 1.9, 1.9, 1.9]], search="best_of_n")
    found = drawn(search_against_best_of_n, tmp_path, tmp_path / "[ab]", "--budgets", 4)[""]
    search = found[found.arm == "evolution"].set_index("runs").best
    assert math.isnan(search[2])
    assert search[3] == search[4] == pytest.approx(1.8), "the mean of 2.0, 1.7 and 1.7"


def test_each_search_meets_the_rival_of_its_own_model(tmp_path: Path):
    for model, metric in (("opus", 1.5), ("sonnet", 1.9)):
        campaign(tmp_path / f"{model}-s", [[1.4]], model=model)
        campaign(tmp_path / f"{model}-r", [[metric]], model=model, search="best_of_n")
    found = drawn(search_against_best_of_n, tmp_path, tmp_path / "*-[sr]")[""].set_index("arm")
    assert found.against["evolution, opus"] == "best_of_n, opus"
    assert found.ahead["evolution, opus"] == pytest.approx(0.1)
    assert found.ahead["evolution, sonnet"] == pytest.approx(0.5)
