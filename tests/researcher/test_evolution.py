"""The paper's evolution: shares, parents and budget, as a pure function."""

import random
from dataclasses import replace

import pytest

from airr.config import Search
from airr.records import Origin, Trial
from airr.researcher import best_of_n, evolution
from airr.researcher.strategies import STRATEGIES
from airr.researcher.strategy import Past
from tests.builders import BASELINE_SCORE, LOSS, SEARCH, scored, search_by, trial


def past_of(*trials: Trial) -> Past:
    return Past(trials=trials, baseline=BASELINE_SCORE, metric=LOSS)


def plan(past: Past, epoch: int, search: Search = SEARCH, seed: int = 0):
    return evolution.plan_epoch(past, epoch, search, random.Random(seed))


MIXED = past_of(trial(0, 1.9), trial(1, 2.1), trial(2, None), trial(3, 1.8))


def test_epoch_zero_asks_for_fresh_ideas_in_calls_of_bounded_size():
    requests = plan(past_of(), 0, replace(SEARCH, ideas_per_epoch=25, ideas_per_call=10))
    assert [(request.origin, request.count) for request in requests] == [
        (Origin.FRESH, 10),
        (Origin.FRESH, 10),
        (Origin.FRESH, 5),
    ]


@pytest.mark.parametrize(
    ("epoch", "share"), [(1, 0.5), (2, 0.6), (3, 0.6), (4, 0.7), (6, 0.8), (9, 0.8)]
)
def test_the_exploiting_share_grows_as_in_the_paper(epoch: int, share: float):
    assert evolution.exploit_share(epoch) == pytest.approx(share)


def test_half_of_epoch_one_exploits_and_half_explores():
    counts = {request.origin: request.count for request in plan(MIXED, 1)}
    assert counts == {Origin.EXPLOIT: 4, Origin.EXPLORE: 4}


def test_exploiting_sees_only_ideas_that_beat_the_baseline():
    (exploit,) = [request for request in plan(MIXED, 1) if request.origin is Origin.EXPLOIT]
    assert {shown.idea.id for shown in exploit.shown} == {"e00-i000", "e00-i003"}


def test_with_caution_parents_are_ranked_by_what_they_reach_at_least():
    """With two standard errors the second is no parent, and the third is worse than the fourth."""
    gains = {0: (1.9, 0.01), 1: (1.99, 0.01), 2: (1.7, 0.12), 3: (1.8, 0.01), 4: (1.95, None)}
    past = past_of(
        *(
            replace(one := trial(n, metric), outcome=scored(one.idea.id, metric, standard_error=se))
            for n, (metric, se) in gains.items()
        )
    )
    bold, cautious = (
        [int(one.idea.id[-1]) for one in past.better_than_baseline(caution)] for caution in (0, 2)
    )
    assert bold == [2, 3, 0, 4, 1]
    assert cautious == [3, 0, 2, 4]
    (exploit,) = [
        request
        for request in plan(past, 1, replace(SEARCH, caution=2.0))
        if request.origin is Origin.EXPLOIT
    ]
    assert "e00-i001" not in {one.idea.id for one in exploit.shown}


def test_exploring_sees_failures_too():
    (explore,) = [request for request in plan(MIXED, 1) if request.origin is Origin.EXPLORE]
    assert {shown.idea.id for shown in explore.shown} == {f"e00-i{n:03d}" for n in range(4)}


def test_where_nothing_beat_the_baseline_the_whole_epoch_explores():
    requests = plan(past_of(trial(0, 2.5), trial(1, None)), 1)
    assert {request.origin for request in requests} == {Origin.EXPLORE}
    assert sum(request.count for request in requests) == SEARCH.ideas_per_epoch


def test_a_prompt_shows_at_most_as_many_past_ideas_as_it_may():
    crowd = past_of(*(trial(number, 1.5) for number in range(300)))
    assert all(len(request.shown) == 100 for request in plan(crowd, 1))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("epoch", range(8))
def test_no_strategy_asks_for_more_or_less_than_an_epoch(name: str, epoch: int):
    requests = STRATEGIES[name](MIXED, epoch, search_by(name), random.Random(epoch))
    assert sum(request.count for request in requests) == SEARCH.ideas_per_epoch


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_plans_the_same(name: str):
    plans = [STRATEGIES[name](MIXED, 3, search_by(name), random.Random(7)) for _ in range(2)]
    assert plans[0] == plans[1]


def test_best_of_n_never_shows_a_past_idea():
    for request in best_of_n.plan_epoch(MIXED, 5, SEARCH, random.Random(0)):
        assert (request.origin, request.shown) == (Origin.FRESH, ())
