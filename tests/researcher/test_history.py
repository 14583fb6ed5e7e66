"""What stays of the past where a prompt has no room for all of it."""

from dataclasses import replace

from airr.config import Direction
from airr.researcher.history import most_telling
from tests.builders import LOSS, trial

ACCURACY = replace(LOSS, direction=Direction.MAXIMIZE)
PAST = [trial(n, score) for n, score in enumerate([1.9, 2.5, None, 1.2, None, 2.2, 1.7, None])]


def kept(count: int, metric=LOSS) -> list[int]:
    return [int(one.idea.id[-3:]) for one in most_telling(PAST, count, metric)]


def test_half_are_the_best_and_half_the_latest_of_the_rest():
    assert kept(4) == [3, 5, 6, 7], "3 and 6 score best; 7 failed and 5 did not, both are late"


def test_the_larger_half_are_the_best():
    assert kept(1) == [3]
    assert kept(3) == [3, 6, 7]


def test_the_best_are_the_highest_where_more_is_better():
    assert kept(2, ACCURACY) == [1, 7]


def test_a_place_that_no_score_takes_goes_to_a_later_idea():
    crashed = [trial(n, None) for n in range(5)]
    assert [one.idea.id[-1] for one in most_telling(crashed, 2, LOSS)] == ["3", "4"]


def test_nothing_and_everything_may_be_kept():
    assert kept(0) == []
    assert kept(8) == list(range(8))
