"""What is still to come of a campaign, by what stands in its ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from airr.cohorts import Cohort, cohorts
from airr.config import Search
from airr.estimates import seeding_of
from airr.forecast import Left, ideator_calls, left_of
from airr.records import BASELINE, Idea, Outcome, Scored
from tests.builders import LOSS, SEARCH, idea, scored


def left(
    planned: Iterable[Cohort],
    ideas: Sequence[Idea] = (),
    *outcomes: Scored,
    search: Search = SEARCH,
    patched: Sequence[str] = (),
) -> Left:
    """Return what is left after the outcomes."""
    known: dict[tuple[str, int], Outcome] = {(one.idea_id, one.repeat): one for one in outcomes}
    seeding = seeding_of(search)
    return left_of(planned, ideas, known, seeding=seeding, metric=LOSS, patched=patched)


BASE = scored(BASELINE, 2.0)


def test_of_a_new_campaign_everything_is_left():
    rest = left(cohorts(3, 8, None))
    assert rest.runs == (1, 8, 8, 8)
    assert rest.to_propose == (8, 8, 8)
    assert rest.to_implement == 24
    assert ideator_calls(rest, SEARCH) == 3


def test_an_epoch_that_came_short_is_not_asked_for_again():
    ideas = [idea(number) for number in range(6)]
    done = [scored(one.id, 3.0) for one in ideas[:4]]
    rest = left(cohorts(2, 8, None), ideas, BASE, *done, patched=[ideas[4].id])
    assert rest.runs == (0, 2, 8)
    assert rest.to_propose == (8,)
    assert rest.to_implement == 9


def test_in_steady_state_an_epoch_that_was_begun_goes_on_where_it_stopped():
    ideas = [*(idea(number) for number in range(4)), idea(0, 1), idea(1, 1)]
    done = [scored(one.id, 3.0) for one in ideas[:5]]
    rest = left(cohorts(2, 4, 1), ideas, BASE, *done)
    assert rest.runs == (0, 3)
    assert rest.to_propose == (1, 1)
    assert ideator_calls(rest, SEARCH) == 2


def test_ideas_beyond_the_last_epoch_are_finished_all_the_same():
    rest = left(cohorts(1, 2, None), [idea(0), idea(1), idea(0, 1)], BASE)
    assert rest.runs == (0, 2, 1)
    assert rest.to_propose == ()


def test_further_seeds_are_left_of_what_beat_the_baseline_and_may_be_of_what_is_open():
    again = replace(SEARCH, baseline_seeds=3, repeats=2)
    ideas = [idea(number) for number in range(4)]
    better, worse = (scored(ideas[n].id, value) for n, value in enumerate((1.9, 2.1)))
    known = [BASE, better, replace(better, repeat=1), worse]
    rest = left(cohorts(1, 4, None), ideas, *known, search=again)
    assert rest.runs == (2, 2)
    assert rest.repeats == 1 + 2 * 2
    assert rest.most_runs == 2 + 2 + 5
