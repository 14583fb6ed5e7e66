"""What is still to come of a campaign, by what stands in its ledger."""

from airr.cohorts import cohorts
from airr.forecast import ideator_calls, left_of
from airr.records import BASELINE
from tests.builders import SEARCH, idea


def test_of_a_new_campaign_everything_is_left():
    left = left_of(cohorts(3, 8, None), [], done=())
    assert left.runs == (1, 8, 8, 8)
    assert left.to_propose == (8, 8, 8)
    assert left.to_implement == 24
    assert ideator_calls(left, SEARCH) == 3


def test_an_epoch_that_came_short_is_not_asked_for_again():
    ideas = [idea(number) for number in range(6)]
    done = [BASELINE, *(one.id for one in ideas[:4])]
    left = left_of(cohorts(2, 8, None), ideas, done=done, patched=[ideas[4].id])
    assert left.runs == (0, 2, 8)
    assert left.to_propose == (8,)
    assert left.to_implement == 9


def test_in_steady_state_an_epoch_that_was_begun_goes_on_where_it_stopped():
    ideas = [*(idea(number) for number in range(4)), idea(0, 1), idea(1, 1)]
    done = [BASELINE, *(one.id for one in ideas[:5])]
    left = left_of(cohorts(2, 4, 1), ideas, done=done)
    assert left.runs == (0, 3)
    assert left.to_propose == (1, 1)
    assert ideator_calls(left, SEARCH) == 2


def test_ideas_beyond_the_last_epoch_are_finished_all_the_same():
    left = left_of(cohorts(1, 2, None), [idea(0), idea(1), idea(0, 1)], done=[BASELINE])
    assert left.runs == (0, 2, 1)
    assert left.to_propose == ()
