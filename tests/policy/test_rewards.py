"""What outcomes are worth, and that failing never pays."""

from __future__ import annotations

import math
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

import pytest

from airr.policy.diversity import canonical, diversity_of, jaccard_of, novelty_of
from airr.policy.rewards import Judged, rewards_of
from airr.policy.settings import RewardKind, Rl
from airr.records import Outcome, Reason, Scored, Withheld
from tests.builders import LOSS, failed, scored
from tests.policy.builders import RL

BASELINE = scored("baseline", 2.5)


def judged(outcome: Outcome, text: str = "an idea", thinking_tokens: int = 0) -> Judged:
    return Judged(text=text, thinking_tokens=thinking_tokens, outcome=outcome)


def rewards(*group: Judged, past: tuple[str, ...] = (), **settings: Any) -> list[float]:
    rl: Rl = replace(RL, **settings)
    return rewards_of(group, past, baseline=BASELINE, metric=LOSS, rl=rl).tolist()


def test_the_paper_s_reward_is_the_inverse_loss_and_nothing_for_a_failure():
    assert rewards(judged(scored("a", 2.0)), judged(failed("b"))) == [0.5, 0.0]


def test_what_is_withheld_is_worth_nothing_yet():
    fields = {field.name: getattr(scored("a", 0.6), field.name) for field in fields_of(Scored)}
    del fields["reward"]
    outcome = Withheld(**fields, reason=Reason.IMPLAUSIBLE, detail="too good")
    assert rewards(judged(outcome), reward=RewardKind.METRIC) == [0.0]
    assert rewards(judged(outcome), reward=RewardKind.GAIN) == [-RL.floor]


def test_a_gain_is_counted_in_units_of_its_noise_down_to_that_of_a_failure():
    better = replace(scored("a", 2.4), standard_error=0.03)
    worse = replace(scored("b", 9.0), standard_error=0.03)
    noise = math.hypot(0.03, BASELINE.standard_error or 0.0)
    found = rewards(judged(better), judged(worse), judged(failed("c")), reward=RewardKind.GAIN)
    assert found == pytest.approx([0.1 / noise, -RL.floor, -RL.floor])


def test_words_add_to_what_was_scored_alone():
    group = [
        judged(scored("a", 2.0), "rotary embeddings for attention", thinking_tokens=100),
        judged(scored("b", 2.0), "weight decay on the head", thinking_tokens=5000),
        judged(failed("c"), "something nobody has ever tried", thinking_tokens=5000),
    ]
    past = ("rotary embeddings for attention",)
    a, b, c = rewards(*group, past=past, novelty=0.1)
    assert (a, c) == (pytest.approx(0.5), 0.0)
    assert 0.5 < b <= 0.6
    a, b, c = rewards(*group, length_reward=0.2)
    assert (a, b, c) == pytest.approx((0.52, 0.5 + RL.length_cap, 0.0))


def test_what_resembles_its_group_loses_by_diversity():
    one, other = "use rotary embeddings", "decay the weights"
    twins = [judged(scored(text, 2.0), text) for text in (one, one, other)]
    a, b, c = rewards(*twins, diversity=0.2)
    assert a == b < c


def test_collapse_shows_in_distinct_ideas_clusters_and_their_share():
    texts = ["use an average of the weights"] * 6 + [
        "use an average of the weights, of the weights"
    ]
    texts += ["rotary embeddings", "sparse attention heads"]
    found = diversity_of(texts)
    assert (found.ideas, found.distinct, found.clusters) == (9, 4, 3)
    assert found.top_share == pytest.approx(8 / 9)
    assert found.similarity < 1


def test_novelty_is_one_where_nothing_is_known_and_none_for_what_is():
    known = "rotary embeddings"
    assert novelty_of([known], []).tolist() == [1.0]
    same, other = novelty_of([known, "weight decay"], [known])
    assert same == pytest.approx(0)
    assert 0.5 < other <= 1
    assert novelty_of([known], [known]) == pytest.approx([0])


def test_texts_are_the_same_but_for_case_and_blanks():
    assert canonical("Use  RoPE\nnow ") == canonical("use rope now")
    assert canonical("lr=0.1") != canonical("lr=0.2")


def test_the_jaccard_index_of_a_lone_idea_is_none():
    assert jaccard_of(["alone"]).tolist() == [0.0]
