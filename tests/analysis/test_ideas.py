"""Figures about ideas: who executes, which kinds there are, which are best, which repeat."""

import argparse
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from airr.records import Idea, Origin, Reason, row_of
from analysis import (
    cluster_shares,
    execution_by_model,
    kinds_of_ideas,
    rl_dynamics,
    thinking_length,
    top_ideas,
)
from analysis.shared.campaigns import read_campaigns
from analysis.shared.kinds import Kind, kind_of
from analysis.shared.style import COLORS
from tests.analysis.small import ACCURACY, CODE, VALUE, campaign, drawn
from tests.builders import failed, idea
from tests.llm.loopback import KEY, Asked, Loopback
from tests.reporting.ledgers import HOSTILE, patch, withheld


def test_execution_by_model_counts_what_ran_and_averages_what_scored(tmp_path: Path):
    held = row_of(withheld("e01-i000"))
    lost = row_of(failed("e01-i001", Reason.NODE_FAIL))
    ideas = [idea(number, 1, model="m") for number in range(2)]
    campaign(tmp_path / "a", [[2.0, 1.0, None, None]], more=[*ideas, held, lost])
    (row,) = drawn(execution_by_model, tmp_path, tmp_path / "a")[""].to_dict("records")
    assert (row["ideas"], row["executed"], row["withheld"], row["nobodys_fault"]) == (6, 3, 1, 1)
    assert row["rate"] == 0.5
    assert (row["rate_low"], row["rate_high"]) == pytest.approx((0.1876, 0.8124), abs=1e-3)
    assert (row["mean"], row["best"], row["best_idea"]) == (1.5, 1.0, "e00-i001")


def test_ideas_of_one_origin_are_compared_alone(tmp_path: Path):
    def later(one: Idea) -> Idea:
        return replace(one, origin=Origin.EXPLOIT if one.epoch else Origin.FRESH)

    campaign(tmp_path / "a", [[0.4, None], [0.6]], metric=ACCURACY, change=later)
    found = drawn(execution_by_model, tmp_path, tmp_path / "a", "--origin", "fresh")[""]
    assert found.rate.tolist() == [0.5]
    assert found.best.tolist() == [0.4]


SHELL = VALUE.replace("train.py", "run.sh").replace("lr = 0.1", "python train.py --decay cosine")


@pytest.mark.parametrize(
    ("diff", "kind"),
    [
        (VALUE, Kind.HYPERPARAMETER),
        (CODE, Kind.ALGORITHMIC),
        (VALUE.replace("0.2", "-2e-3  # smaller"), Kind.HYPERPARAMETER),
        (VALUE.replace("0.2", "3 * 0.2 / 8"), Kind.HYPERPARAMETER),
        (VALUE.replace("0.2", "0.2 * warmup"), Kind.ALGORITHMIC),
        (VALUE.replace("lr = 0.1", "Adam(p, lr=1e-3, fused=True)").replace(
            "lr = 0.2", "Adam(p, lr=2e-3, fused=False)"), Kind.HYPERPARAMETER),
        (VALUE.replace("0.1", '"cosine"').replace("0.2", "'linear'"), Kind.HYPERPARAMETER),
        (VALUE.replace("lr = 0.2", "rate = 0.1"), Kind.ALGORITHMIC),
        (VALUE.replace("lr = 0.1", "x1 = y").replace("lr = 0.2", "x2 = y"), Kind.ALGORITHMIC),
        (VALUE.replace("train.py", "conf.yaml").replace("lr = 0.1", "schedule: cosine").replace(
            "lr = 0.2", "schedule: linear"), Kind.HYPERPARAMETER),
        (SHELL.replace("lr = 0.2", "python train.py --decay linear"), Kind.HYPERPARAMETER),
        (SHELL.replace("lr = 0.2", "python other.py --decay cosine"), Kind.ALGORITHMIC),
        (f"Here it is:\n```diff\n{VALUE}```\n", Kind.HYPERPARAMETER),
        (VALUE + CODE.replace("train.py", "loss.py"), Kind.ALGORITHMIC),
        ("train.py\n<<<<<<< SEARCH\nlr = 0.1\n=======\nlr = 0.3\n>>>>>>> REPLACE\n",
         Kind.HYPERPARAMETER),
        (VALUE.replace("-lr = 0.1\n+lr = 0.2", "-# old\n+# new"), Kind.UNCLEAR),
        ("I cannot do that.", Kind.UNCLEAR),
        (None, Kind.UNCLEAR),
    ],
)  # fmt: skip
def test_the_rule_tells_other_values_from_other_code(diff: str | None, kind: Kind):
    assert kind_of(diff) is kind


def with_patches(folder: Path) -> None:
    patches = [patch("e00-i000", diff=VALUE), patch("e00-i001", diff=CODE)]
    refused = patch("e00-i002", diff=VALUE, applied=False)
    mended = [patch("e00-i003", diff=VALUE), patch("e00-i003", diff=CODE, mends="e00-i003.r0.a0")]
    campaign(folder, [[1.8, 1.9, None, 1.7]], more=[*patches, refused, *mended])


def test_kinds_by_rule_have_their_shares_and_scores(tmp_path: Path):
    with_patches(tmp_path / "a")
    found = drawn(kinds_of_ideas, tmp_path, tmp_path / "a")
    kinds = found[""].set_index("kind")
    assert kinds.share.to_dict() == {"hyper-parameter": 0.5, "algorithmic": 0.5, "unclear": 0.0}
    assert kinds.executed.to_dict() == pytest.approx(
        {"hyper-parameter": 0.5, "algorithmic": 1.0, "unclear": float("nan")}, nan_ok=True
    )
    assert kinds["mean"]["algorithmic"] == pytest.approx(1.8)
    assert kinds.best["algorithmic"] == 1.7
    assert found["labels"].labelled_by.unique().tolist() == ["rule"]


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_model_labels_each_idea_once_and_is_not_asked_again(
    tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", KEY)
    with_patches(tmp_path / "a")

    def answer(asked: Asked) -> str:
        assert "Answer with one word" in asked.prompt
        return "This is no hyper-parameter: **Algorithmic**." if "+loss" in asked.prompt else "Hm."

    with Loopback(answer, key=KEY if provider == "anthropic" else None) as loopback:
        url = loopback.url if provider == "anthropic" else f"{loopback.url}/v1"
        model = "claude-opus-5-5" if provider == "anthropic" else "local-model"
        said = ["--labels", "model", "--provider", provider, "--model", model, "--base-url", url]
        first = drawn(kinds_of_ideas, tmp_path, tmp_path / "a", *said)["labels"]
        assert len(loopback.asked) == 4
        again = drawn(kinds_of_ideas, tmp_path, tmp_path / "a", *said)["labels"]
        assert len(loopback.asked) == 4, "what is in the journal is not asked again"
    assert first.kind.tolist() == ["unclear", "algorithmic", "unclear", "algorithmic"]
    assert first.labelled_by.unique().tolist() == [model]
    assert again.equals(first)


def test_the_best_ideas_come_first_with_their_gain_and_its_error(tmp_path: Path):
    campaign(tmp_path / "a", [[1.9, None, 1.7]], more=[row_of(withheld("e01-i000"))])
    campaign(tmp_path / "b", [[1.8]], baseline=2.5, seed=1)
    found = drawn(top_ideas, tmp_path, tmp_path / "[ab]", "--top", 2)[""]
    assert found[["campaign", "idea_id"]].values.tolist() == [["a", "e00-i002"], ["b", "e00-i000"]]
    assert found.gain.tolist() == pytest.approx([0.3, 0.7])
    assert found.gain_error.tolist() == pytest.approx([0.01 * 2**0.5] * 2)


def test_hostile_texts_harm_neither_the_figure_nor_a_spreadsheet(tmp_path: Path):
    texts = [HOSTILE, "=cmd|' /C calc'!A0", "$\\frac{1}{0$ \U0001f600 \x1b[31m\0 idea", "x" * 9999]
    metrics = [[1.5, 1.6, 1.7, 1.8]]
    campaign(
        tmp_path / "a",
        metrics,
        change=lambda one: replace(one, text=texts[one.place[1]]),
    )
    found = drawn(top_ideas, tmp_path, tmp_path / "a")[""]
    assert found.text[1] == "'=cmd|' /C calc'!A0"
    assert len(found.text[3]) == 4000
    drawn(cluster_shares, tmp_path, tmp_path / "a")


def test_rewards_of_failures_are_zero_and_scores_of_failures_are_none(tmp_path: Path):
    def rl(one: Idea) -> Idea:
        words = ("Average the weights", "Replace the loss")[one.place[1] if one.epoch == 0 else 0]
        text = f"[Experiment] {words}."
        return replace(one, origin=Origin.RL, thinking_tokens=100 * one.place[1], text=text)

    campaign(tmp_path / "a", [[2.0, None], [None, None], [1.0, 4.0]], change=rl, baseline=None)
    found = drawn(rl_dynamics, tmp_path, tmp_path / "a")[""]
    assert found.mean_reward.tolist() == [0.25, 0.0, 0.625]
    assert found.mean_reward_executed.tolist() == pytest.approx(
        [0.5, float("nan"), 0.625], nan_ok=True
    )
    assert found.execution_rate.tolist() == [0.5, 0.0, 1.0]
    assert found.best_so_far.tolist() == [0.5, 0.5, 1.0]
    assert found.thinking_tokens.tolist() == [50.0, 50.0, 50.0]
    assert found.distinct.tolist() == [2, 1, 1]
    assert found.commonest_share.tolist() == [0.5, 1.0, 1.0]


def test_the_longest_thoughts_are_set_against_the_rest(tmp_path: Path):
    scores: list[list[float | None]] = [[1.9] * 8 + [None, None, 1.9]]
    campaign(tmp_path / "a", scores, change=lambda one: replace(one, thinking_tokens=one.place[1]))
    found = drawn(thinking_length, tmp_path, tmp_path / "a", "--bins", 2)
    (longest,) = found["longest"].to_dict("records")
    assert (longest["ideas"], longest["rate"]) == (3, pytest.approx(1 / 3))
    assert (longest["rest_ideas"], longest["rest_rate"]) == (8, 1.0), "one of 7 tokens is no longer"
    assert longest["p"] == pytest.approx(3 / 55), "of 55 pairs of failures, 3 are among the longest"
    assert found[""][["ideas", "executed"]].values.tolist() == [[6, 6], [5, 3]]


def test_clusters_are_ideas_worded_alike_and_their_shares_add_up(tmp_path: Path):
    words = {
        0: "[Experiment] Average the weights exponentially, decay {}.",
        1: "[Experiment] Replace RMSNorm by LayerNorm in block {}.",
        2: "[Experiment] Rotary positions, base {}.",
    }

    def worded(one: Idea) -> Idea:
        which = one.place[1] if one.epoch == 0 else 1
        return replace(one, text=words[which].format(one.place[1]))

    campaign(tmp_path / "a", [[1.9, 1.8, None], [1.7, 1.6, 1.5]], change=worded)
    found = drawn(cluster_shares, tmp_path, tmp_path / "a", "--top", 1)
    (cluster,) = found["clusters"].to_dict("records")
    assert cluster["title"] == "Replace RMSNorm by LayerNorm in block 1"
    assert (cluster["ideas"], cluster["best"]) == (4, 1.5)
    shares: dict[Any, float] = found[""].set_index(["epoch", "cluster"]).share.to_dict()
    founder = cluster["cluster"]
    assert shares == pytest.approx(
        {(0, founder): 1 / 3, (0, -1): 2 / 3, (1, founder): 1.0, (1, -1): 0.0}
    )


def figure_of(script: ModuleType, *folders: Path, **asked: Any) -> Figure:
    plain = {"by": None, "similarity": 0.5, "top": 5}
    campaigns = read_campaigns([*map(str, folders)])
    return script.draw(campaigns, argparse.Namespace(**plain | asked)).figure


def test_a_campaign_of_one_epoch_is_points_and_one_bar(tmp_path: Path):
    campaign(tmp_path / "a", [[1.9, 1.8, None]])
    for panel in figure_of(rl_dynamics, tmp_path / "a").axes:
        assert panel.lines
        assert all(line.get_marker() == "o" for line in panel.lines), "a line of one is nothing"
        low, high = panel.get_xlim()
        assert [tick for tick in panel.get_xticks() if low <= tick <= high] == [0]
    (panel,) = figure_of(cluster_shares, tmp_path / "a").axes
    heights = [bar.get_height() for bar in panel.patches if isinstance(bar, Rectangle)]
    assert sum(heights) == pytest.approx(1.0)
    assert all(bar.get_width() > 0.5 for bar in panel.patches if isinstance(bar, Rectangle))


def test_each_arm_of_several_seeds_has_its_colour_in_the_legend(tmp_path: Path):
    for name, search in (("a", "tree"), ("b", "islands")):
        for seed in range(3):
            campaign(tmp_path / f"{name}{seed}", [[1.9], [1.8]], search=search, seed=seed)
    panel = figure_of(rl_dynamics, tmp_path / "*").axes[1]
    legend = panel.get_legend()
    assert legend
    shown = {
        text.get_text(): line.get_color()
        for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }
    assert shown == {"tree": COLORS[0], "islands": COLORS[1]}
