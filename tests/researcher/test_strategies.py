"""What holds for every search, whatever happened before."""

import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airr.book import Book
from airr.config import Direction, Metric
from airr.ledger import Ledger
from airr.llm.journal import Journal
from airr.records import Failed, Origin, Reason, Scored, Trial, Withheld, row_of
from airr.researcher.strategies import STRATEGIES
from airr.researcher.strategy import Past
from tests.builders import BASELINE_SCORE, LOSS, NOON, failed, idea, scored, search_by

SIZE = 7
"""Ideas of an epoch in these histories."""

a_metric = st.sampled_from([1.5, 1.9, 1.99, 2.0, 2.01, 2.5])
a_fate = st.one_of(
    st.tuples(st.just("scored"), a_metric),
    st.tuples(st.just("failed"), st.sampled_from(list(Reason))),
    st.tuples(st.just("withheld"), a_metric),
)
an_idea = st.tuples(
    st.one_of(st.tuples(st.just("scored"), a_metric), a_fate),
    st.sampled_from([Origin.FRESH, Origin.EXPLORE, Origin.EXPLOIT, Origin.DEBUG]),
    st.integers(0, 100),
    st.sampled_from([None, 0, 1, 2]),
)
a_history = st.lists(an_idea, max_size=5 * SIZE)
a_search = st.fixed_dictionaries(
    {
        "ideas_per_epoch": st.integers(1, 30),
        "ideas_per_call": st.integers(1, 12),
        "history_in_prompt": st.integers(1, 20),
        "caution": st.sampled_from([0.0, 2.0]),
    }
)


def trials_of(history: list[Any]) -> tuple[Trial, ...]:
    """Return a history as trials; ideas that build on others name earlier ones."""
    trials: list[Trial] = []
    for number, ((kind, what), origin, parent, island) in enumerate(history):
        builds_on = origin in {Origin.EXPLOIT, Origin.DEBUG} and trials
        one = idea(
            number % SIZE,
            number // SIZE,
            origin=origin if builds_on else Origin.FRESH,
            parents=(trials[parent % len(trials)].idea.id,) if builds_on else (),
            island=island,
        )
        match kind:
            case "scored":
                outcome = scored(one.id, what)
            case "failed":
                outcome = failed(one.id, what)
            case _:
                outcome = withheld(one.id, what)
        trials.append(Trial(idea=one, outcome=outcome))
    return tuple(trials)


def withheld(idea_id: str, metric: float) -> Withheld:
    row = row_of(scored(idea_id, metric))
    kept = {name: getattr(row, name) for name in Withheld.__dataclass_fields__ if name != "reason"}
    return Withheld(**kept, reason=Reason.IMPLAUSIBLE)


def requests_of(name: str, history: list[Any], how: dict[str, Any], metric: Metric = LOSS):
    past = Past(trials=trials_of(history), baseline=BASELINE_SCORE, metric=metric)
    epoch = -(-len(history) // SIZE)
    search = search_by(name, **how)
    return past, search, STRATEGIES[name](past, epoch, search, random.Random(0))


@pytest.mark.parametrize("name", STRATEGIES)
@given(history=a_history, how=a_search)
def test_no_search_asks_for_more_or_less_than_its_budget_or_shows_more_than_it_may(
    name: str, history: list[Any], how: dict[str, Any]
):
    _, search, requests = requests_of(name, history, how)
    assert sum(request.count for request in requests) == search.ideas_per_epoch
    assert all(1 <= request.count <= search.ideas_per_call for request in requests)
    assert all(len(request.shown) <= search.history_in_prompt for request in requests)
    for request in requests:
        ids = [trial.idea.id for trial in request.shown]
        assert len({*ids}) == len(ids)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("direction", Direction)
@given(history=a_history, how=a_search)
def test_no_search_breeds_from_what_failed_is_withheld_or_does_not_beat_the_baseline(
    name: str, direction: Direction, history: list[Any], how: dict[str, Any]
):
    """To mend a failed idea is no breeding: it is shown alone, as what failed."""
    metric = replace(LOSS, direction=direction)
    _, _, requests = requests_of(name, history, how, metric)
    for request in requests:
        for trial in request.shown:
            if request.origin is Origin.EXPLOIT:
                assert isinstance(trial.outcome, Scored)
                assert metric.is_better(trial.outcome.metric, BASELINE_SCORE.metric)
            if request.origin is Origin.DEBUG:
                assert isinstance(trial.outcome, Failed)
                assert (request.count, len(request.shown)) == (1, 1)


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=10, deadline=None)
@given(history=a_history, how=a_search, rng=st.randoms(use_true_random=False))
def test_no_search_depends_on_the_order_in_which_outcomes_came(
    name: str, history: list[Any], how: dict[str, Any], rng: random.Random
):
    trials = trials_of(history)
    shuffled = rng.sample(trials, len(trials))
    epoch = -(-len(history) // SIZE)
    search, plans = search_by(name, **how), []
    for order in (trials, tuple(shuffled)):
        with TemporaryDirectory() as folder:
            journal = Journal(Path(folder) / "journal.jsonl", {}, {}, now=lambda: NOON)
            book = Book(Ledger(Path(folder) / "ledger"), journal)
            book.enter([trial.idea for trial in trials])
            for trial in order:
                book.enter([row_of(trial.outcome)])
            past = Past(trials=book.trials_before(epoch), baseline=BASELINE_SCORE, metric=LOSS)
        plans.append(STRATEGIES[name](past, epoch, search, random.Random(3)))
    assert plans[0] == plans[1]
