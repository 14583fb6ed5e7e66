"""One projection of the ledger: what terminal, JSON and page all say."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from airr.errors import Damaged, WorkspaceError
from airr.records import BASELINE, Reason, Stage, row_of
from airr.reporting.curves import POINTS, curve_of
from airr.reporting.page import page_of, tree_of
from airr.reporting.reading import find_campaigns, read_campaign, read_report
from airr.reporting.terminal import best_line, lines_of
from airr.reporting.tree import CampaignFacts, Fate
from tests.builders import NOON, failed, idea, run, scored
from tests.reporting.ledgers import campaign, log_of, screened, screening, small, trained


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> CampaignFacts:
    return read_campaign(small(tmp_path_factory.mktemp("runs") / "x"))


def test_each_idea_has_the_fate_that_its_outcome_and_its_errors_give_it(facts: CampaignFacts):
    assert {one.id: one.fate for one in facts.ideas} == {
        "e00-i000": Fate.BETTER,
        "e00-i001": Fate.FAILED,
        "e00-i002": Fate.NOISE,  # 0.01 better, with an error of 0.014
        "e00-i003": Fate.FAILED,
        "e01-i000": Fate.BETTER,
        "e01-i001": Fate.WORSE,
        "e01-i002": Fate.WITHHELD,
        "e01-i003": Fate.OPEN,
    }
    assert facts.fates == {
        "better": 2, "within noise": 1, "worse": 1, "not compared": 0, "withheld": 1,
        "dropped": 0, "failed": 2, "open": 1,
    }  # fmt: skip


def test_what_has_no_believed_score_is_nowhere_a_number(facts: CampaignFacts):
    for one in facts.ideas:
        is_scored = one.fate in (Fate.BETTER, Fate.NOISE, Fate.WORSE)
        assert (one.score is not None) == (one.gain is not None) == is_scored, one.id
    assert [epoch.best.metric for epoch in facts.epochs if epoch.best] == [1.9, 1.8]
    assert [epoch.median for epoch in facts.epochs] == pytest.approx([1.945, 2.15])
    assert [one.metric for one in facts.progress] == [2.0, 1.9, 1.8, 1.8]


def test_the_best_is_given_with_the_interval_of_its_difference(facts: CampaignFacts):
    gain = facts.best_gain
    assert gain
    assert gain.low is not None
    assert gain.high is not None
    assert facts.best == "e01-i000"
    assert gain.value == pytest.approx(0.2)
    assert (gain.low, gain.high) == pytest.approx((0.2 - 2 * 0.0141421, 0.2 + 2 * 0.0141421))


def test_a_score_without_an_error_is_never_called_better(tmp_path: Path):
    scores = [
        scored(one, metric, standard_error=None)
        for one, metric in ((BASELINE, 2.0), ("e00-i000", 1.0))
    ]
    facts = read_campaign(campaign(tmp_path / "x", [idea(0), *map(row_of, scores)]))
    assert facts.ideas[0].fate is Fate.NOISE
    assert "no difference can be told from noise" in best_line(facts)


def test_without_a_baseline_nothing_is_compared(tmp_path: Path):
    facts = read_campaign(campaign(tmp_path / "x", [idea(0), row_of(scored("e00-i000", 1.0))]))
    assert facts.ideas[0].fate is Fate.UNCOMPARED
    assert facts.ideas[0].score
    assert facts.ideas[0].gain is None
    assert "the baseline has no score" in best_line(facts)


def test_the_best_so_far_goes_on_with_what_was_spent_and_ends_at_all_of_it(facts: CampaignFacts):
    assert facts.spent_unit == "GPU-hours"
    told = [(one.spent, one.idea) for one in facts.progress]
    assert told == [(1.0, BASELINE), (2.0, "e00-i000"), (5.0, "e01-i000"), (7.0, "e01-i000")]


def test_without_gpus_hours_of_training_stand_for_what_was_spent(tmp_path: Path):
    late = NOON + timedelta(hours=1)
    rows = [
        idea(0),
        row_of(scored(BASELINE, 2.0)),
        row_of(scored("e00-i000", 1.9)),
        run(BASELINE, train_seconds=1800.0),
        run("e00-i000", train_seconds=3600.0, ended_at=late),
    ]
    facts = read_campaign(campaign(tmp_path / "x", rows))
    assert facts.spent_unit == "hours of training"
    assert [one.spent for one in facts.progress] == [0.5, 1.5, 1.5]


def test_the_funnel_says_where_each_idea_was_lost_and_loses_none(facts: CampaignFacts):
    assert [(step.name, step.passed, step.lost) for step in facts.funnel] == [
        ("proposed", 8, {"open": 1}),
        ("implemented", 6, {"no_patch": 1}),
        ("passed the preflight", 6, {}),
        ("started on a node", 6, {}),
        ("trained", 5, {"crash": 1}),
        ("scored", 4, {"withheld": 1}),
        ("better than the baseline", 2, {}),
    ]


@pytest.mark.parametrize("stage", list(Stage))
def test_a_failure_of_any_stage_is_in_the_funnel(tmp_path: Path, stage: Stage):
    rows = [idea(0), row_of(failed("e00-i000", Reason.CRASH, stage=stage))]
    facts = read_campaign(campaign(tmp_path / "x", rows))
    assert sum(count for step in facts.funnel for count in step.lost.values()) == 1
    assert facts.funnel[-2].passed == 0


def test_what_failed_in_the_screen_ends_there_and_was_not_trained_in_full(tmp_path: Path):
    funnel = read_campaign(screened(tmp_path / "x")).funnel
    assert [(step.name, step.passed, step.lost) for step in funnel[3:6]] == [
        ("started on a node", 7, {}),
        ("passed the screen", 3, {"outranked": 2, "crash": 1, "implausible": 1}),
        ("trained", 3, {}),
    ]


def test_parents_know_their_children(facts: CampaignFacts):
    by_id = {one.id: one for one in facts.ideas}
    assert by_id["e00-i000"].children == ("e01-i000", "e01-i001")
    assert by_id["e01-i000"].parents == ("e00-i000", "e00-i002")
    assert by_id["e01-i000"].base == "e00-i000"


def test_ideas_share_the_cost_of_the_call_that_proposed_them(facts: CampaignFacts):
    costs = {one.id: one.cost for one in facts.ideas}
    assert costs["e00-i000"].usd == pytest.approx(0.25 + 0.4 / 4)
    assert costs["e00-i000"].gpu_hours == 1.0
    assert costs["e01-i000"].unpriced == 1
    assert sum(cost.usd for cost in costs.values()) == pytest.approx(facts.cost.usd)


def test_a_log_becomes_a_curve_of_the_loss_it_speaks_of():
    curve = curve_of(log_of(1000) + "step 5 loss nan\nnonsense\nstep 2000/x loss 1e999\n")
    assert curve
    assert curve.name == "loss"
    assert len(curve.steps) <= POINTS
    assert (curve.steps[-1], curve.values[-1]) == (999, pytest.approx(3.001))
    assert curve_of("no steps here\nstep 1 loss 2.0\n") is None


def test_the_kept_log_of_a_run_gives_the_curve_and_else_its_tail_does(tmp_path: Path):
    workspace = small(tmp_path / "x")
    of_tail = read_campaign(workspace).ideas[0].detail.curve
    assert of_tail
    assert of_tail.steps[-1] == 19
    workspace.batch("b0").mkdir()
    (workspace.batch("b0") / "e00-i000.r0.a0.log").write_text(log_of(50))
    of_log = read_campaign(workspace).ideas[0].detail.curve
    assert of_log
    assert of_log.steps[-1] == 49


def test_terminal_and_json_say_the_same(tmp_path: Path):
    report = read_report([small(tmp_path / "x")], now=NOON, version="0")
    text = "\n".join(lines_of(report))
    (one,) = json.loads(json.dumps(tree_of(report), allow_nan=False))["campaigns"]
    assert f"gain {one['best_gain']['value']:+.4f}" in text
    assert "8 ideas: 2 better, 1 within noise, 1 worse, 1 withheld, 2 failed, 1 open" in text
    assert "7.0 GPU-hours, $2.40 and 1 call of unknown cost" in text


def test_hostile_text_is_in_the_page_as_data_and_ends_no_script(tmp_path: Path):
    page = page_of(read_report([small(tmp_path / "x")], now=NOON, version="0"))
    assert "window.hacked" in page
    assert "<script>window" not in page
    assert "<img" not in page
    assert page.count("</script>") == page.count("<script")


def test_campaigns_are_found_by_name_folder_glob_and_list_and_else_refused(tmp_path: Path):
    for name in ("x", "y"):
        campaign(tmp_path / name, [])
    campaign(tmp_path / "x-verify", [], is_search=False)
    (tmp_path / "stray").mkdir()

    def found(named: str | list[str] | None) -> list[str]:
        return [workspace.name for workspace in find_campaigns(tmp_path, named)]

    assert found("x") == found(str(tmp_path / "x")) == ["x"]
    assert found(None) == found("*") == found(f"{tmp_path}/*") == ["x", "y"]
    assert found(["y", "*"]) == ["y", "x"]
    with pytest.raises(WorkspaceError, match="x-verify is a measurement"):
        found("x-verify")
    with pytest.raises(WorkspaceError, match="holds no campaign"):
        found("stray")
    with pytest.raises(WorkspaceError, match=r"no campaign below .* that campaign=z\* matches"):
        found("z*")
    (tmp_path / "y" / "campaign.yaml").write_text("a: [")
    with pytest.warns(Damaged, match=r"left out: .*y/campaign\.yaml is damaged"):
        assert found(None) == ["x"]
    with pytest.raises(WorkspaceError, match=r"y/campaign\.yaml is damaged"):
        found("y")


def test_what_a_policy_learned_is_told_epoch_by_epoch(facts: CampaignFacts, tmp_path: Path):
    assert facts.learning == (), "nothing was trained there"
    told = read_campaign(trained(tmp_path / "runs" / "x"))
    first, second = told.learning
    rewards = [1 / 1.9, 1 / 1.99]
    assert first.mean == pytest.approx(sum(rewards) / 4)
    assert first.scored_mean == pytest.approx(sum(rewards) / 2)
    assert (first.execution_rate, first.maximum) == (0.5, pytest.approx(1 / 1.9))
    assert (first.entropy, first.kl) == (0.5, 0.125)
    assert (second.entropy, second.kl) == (None, None), "its update is still to come"
    assert (first.sample_seconds, first.update_seconds) == (40.0, 5.0)
    assert (second.sample_seconds, second.update_seconds) == (None, None)
    assert second.best_so_far == pytest.approx(1 / 1.8)
    assert told.cost.gpu_hours == pytest.approx(facts.cost.gpu_hours + 2), "its jobs count too"


def test_each_rung_says_what_it_cost_who_went_on_and_how_far_full_runs_agree(
    facts: CampaignFacts, tmp_path: Path
):
    assert facts.screen == (), "nothing was screened there"
    first, second = read_campaign(screened(tmp_path / "x")).screen
    told = ("gpu_hours", "tried", "failed", "dropped", "promoted", "waiting")
    assert [getattr(first, name) for name in told] == [pytest.approx(0.9), 8, 1, 2, 5, 0]
    assert [getattr(second, name) for name in told] == [pytest.approx(0.6), 5, 0, 1, 3, 1]
    assert (first.name, second.baseline) == ("10 % of the budget", 2.55)
    assert "e00-i005" not in first.scores, "a withheld score is none"
    assert (first.pairs, first.rank_correlation) == (3, pytest.approx(0.5))
    assert (second.pairs, second.rank_correlation) == (3, pytest.approx(1.0))
    assert second.p_value == pytest.approx(1 / 3)


def test_a_rung_whose_ideas_have_no_full_scores_claims_no_agreement(tmp_path: Path):
    rows = [idea(0), screening("e00-i000", 0, 3.0, env="smaller")]
    (rung,) = read_campaign(campaign(tmp_path / "x", rows)).screen
    assert rung.name == "10 % of the budget of env=smaller"
    assert (rung.tried, rung.waiting, rung.pairs) == (1, 1, 0)
    assert (rung.rank_correlation, rung.p_value, rung.baseline) == (None, None, None)


def test_the_lines_of_a_report_sum_up_each_rung_of_a_screen(tmp_path: Path):
    report = read_report([screened(tmp_path / "x")], now=NOON, version="0")
    assert [line.strip() for line in lines_of(report) if "screen," in line] == [
        "screen, 10 % of the budget: 8 tried, 1 failed, 2 dropped, 5 promoted; 0.9 GPU-hours; "
        "rank correlation with full runs +0.50 (Spearman, 3 promoted, p=1)",
        "screen, 30 % of the budget: 5 tried, 1 dropped, 3 promoted, 1 waiting; 0.6 GPU-hours; "
        "rank correlation with full runs +1.00 (Spearman, 3 promoted, p=0.33)",
    ]
