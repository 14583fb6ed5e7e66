"""Which of several models is asked next: by what became of the ideas of each."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from airr.records import Origin, Reason, Trial
from airr.researcher.bandit import Record, assigned, records_of
from airr.researcher.strategy import IdeaRequest, Past
from tests.builders import BASELINE_SCORE, LOSS, failed, idea, scored

BOTH = ("ideator", "second")
REQUESTS = (IdeaRequest(origin=Origin.FRESH, count=4),) * 200
BASELINE = replace(BASELINE_SCORE, metric=2.0)


def tried(number: int, member: str | None, outcome: float | Reason) -> Trial:
    """Return a trial of a member: a loss with an error of 0.1, or the reason of a failure."""
    one = replace(idea(number), member=member)
    if isinstance(outcome, Reason):
        return Trial(idea=one, outcome=failed(one.id, reason=outcome))
    return Trial(idea=one, outcome=replace(scored(one.id, outcome), standard_error=0.1))


def past(*trials: Trial) -> Past:
    return Past(trials=trials, baseline=BASELINE, metric=LOSS)


def shares(known: Past, seed: int = 0) -> Counter[str | None]:
    """Return how often each member is asked, of 200 calls."""
    return Counter(one.member for one in assigned(REQUESTS, BOTH, known, random.Random(seed)))


def test_an_idea_pays_that_beats_the_baseline_beyond_noise():
    trials = [
        tried(0, "ideator", 1.5),
        tried(1, "ideator", 1.95),  # within its noise
        tried(2, "second", Reason.CRASH),
        tried(3, "second", 2.5),
        tried(4, "second", 1.2),
        tried(5, "second", Reason.NODE_FAIL),  # nobody's fault
        tried(6, None, 1.0),  # of a time when one model proposed alone
    ]
    assert records_of(trials, BASELINE, LOSS) == {"ideator": Record(1, 2), "second": Record(1, 3)}


def test_models_of_which_nothing_is_known_are_asked_alike():
    asked = shares(past())
    assert min(asked["ideator"], asked["second"]) > 70


def test_the_one_whose_ideas_pay_is_asked_more_and_the_other_is_not_forgotten():
    few = [tried(n, BOTH[n % 2], 1.5 if n % 2 else 2.5) for n in range(8)]
    many = [tried(n, BOTH[n % 2], 1.5 if n % 2 else 2.5) for n in range(60)]
    assert 100 < shares(past(*few))["second"] < 200, "four ideas each decide nothing yet"
    assert shares(past(*many))["second"] >= 198


def test_a_campaign_with_one_model_asks_it_and_draws_no_lots():
    rng = random.Random(0)
    assert assigned(REQUESTS, ("ideator",), past(), rng) == REQUESTS
    assert rng.random() == random.Random(0).random()


@pytest.mark.parametrize("seed", range(5))
def test_the_same_past_and_seed_ask_the_same_models_whatever_the_order_of_outcomes(seed: int):
    trials = [tried(n, BOTH[n % 2], 1.0 + n % 3) for n in range(9)]
    turned = [*trials]
    random.Random(seed).shuffle(turned)
    known = [
        assigned(REQUESTS, BOTH, past(*order), random.Random(seed)) for order in (trials, turned)
    ]
    assert known[0] == known[1]
