"""What several seeds say of one codebase: a mean, and an error that knows how seeds scatter."""

from collections.abc import Sequence
from dataclasses import replace
from math import hypot, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airr.estimates import Seeding, pooled_spread, seeds_of, settled
from airr.records import BASELINE, Outcome, Reason, Scored, Wanted
from tests.builders import BASELINE_SCORE, LOSS, failed, scored

VALUES = st.floats(1.0, 3.0, allow_nan=False)


def repeats(idea_id: str, *outcomes: Outcome) -> dict[Wanted, Outcome]:
    """Return the outcomes of a codebase with one seed after the other."""
    return {(idea_id, n): replace(one, repeat=n) for n, one in enumerate(outcomes)}


def runs(idea_id: str, metrics: Sequence[float]) -> dict[Wanted, Outcome]:
    return repeats(idea_id, *(scored(idea_id, metric) for metric in metrics))


def score_of(outcomes: dict[Wanted, Outcome], idea_id: str) -> Scored:
    found = settled(outcomes)[idea_id]
    assert isinstance(found, Scored)
    return found


def test_with_one_seed_each_outcomes_stand_for_themselves():
    outcomes = runs("a", [2.0]) | runs("b", [1.5]) | repeats("c", failed("c"))
    assert settled(outcomes) == {idea: outcome for (idea, _), outcome in outcomes.items()}


def test_several_seeds_give_their_mean_and_an_error_that_shrinks_with_them():
    outcomes = runs("a", [1.9, 2.0, 2.1])
    found = score_of(outcomes, "a")
    assert found.metric == pytest.approx(2.0)
    assert found.reward == pytest.approx((1 / 1.9 + 1 / 2.0 + 1 / 2.1) / 3)
    assert found.standard_error == pytest.approx(hypot(0.01, 0.1 / sqrt(3)))
    assert seeds_of(outcomes) == {"a": 3}


def test_how_far_seeds_scatter_counts_for_what_was_run_once_too():
    outcomes = runs(BASELINE, [1.9, 2.0, 2.1]) | runs("a", [1.95])
    assert score_of(outcomes, "a").standard_error == pytest.approx(hypot(0.01, 0.1))


def test_the_scatter_is_that_within_codebases_and_not_between_them():
    near, far = [1.0, 1.2], [2.0, 2.2, 2.4]
    # numpy.var(ddof=1) is 0.02 and 0.04; 1 and 2 degrees of freedom
    assert pooled_spread([near, far, [9.0]]) == pytest.approx(sqrt((0.02 + 2 * 0.04) / 3))
    assert pooled_spread([[1.0], [2.0]]) is None


def test_an_idea_that_fails_with_another_seed_has_failed():
    outcomes = runs("a", [1.0]) | {("a", 1): failed("a", Reason.NOT_FINITE, repeat=1)}
    assert settled(outcomes)["a"] == outcomes["a", 1]


def test_a_seed_that_a_node_lost_is_left_out():
    outcomes = runs("a", [1.0, 1.2]) | {("a", 2): failed("a", Reason.NODE_FAIL, repeat=2)}
    assert score_of(outcomes, "a").metric == pytest.approx(1.1)


@given(st.dictionaries(st.sampled_from("abc"), st.lists(VALUES, min_size=1, max_size=4)), st.data())
def test_the_order_in_which_outcomes_came_makes_no_difference(
    metrics: dict[str, list[float]], data: st.DataObject
):
    outcomes: dict[Wanted, Outcome] = {}
    for idea_id, values in metrics.items():
        outcomes |= runs(idea_id, values)
    shuffled = dict(data.draw(st.permutations(list(outcomes.items()))))
    for idea_id, found in settled(outcomes).items():
        other = settled(shuffled)[idea_id]
        assert isinstance(found, Scored)
        assert isinstance(other, Scored)
        assert other.metric == found.metric
        assert other.standard_error == pytest.approx(found.standard_error)


@pytest.mark.parametrize(
    ("first", "caution", "times"),
    [
        (scored("a", 1.99), 0.0, 2),
        (scored("a", 2.01), 0.0, 0),
        (scored("a", 1.99, standard_error=0.02), 1.0, 0),
        (failed("a"), 0.0, 0),
    ],
)
def test_further_seeds_are_for_what_beats_the_baseline_by_its_first_score(
    first: Outcome, caution: float, times: int
):
    seeding = Seeding(baseline_seeds=1, repeats=2, caution=caution)
    assert seeding.repeats_of(first, BASELINE_SCORE, LOSS) == times
