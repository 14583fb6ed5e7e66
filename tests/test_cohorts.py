"""Which ideas are proposed together, and how many may be open when the next are due."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airr.cohorts import Cohort, cohorts_of, open_at_most
from airr.config import SteadySettings
from airr.researcher.strategies import STRATEGIES
from tests.builders import search_by


@pytest.mark.parametrize("name", STRATEGIES)
@given(epochs=st.integers(1, 5), ideas=st.integers(1, 12), refill=st.integers(1, 15))
def test_every_idea_of_every_epoch_is_in_one_cohort_in_order(
    name: str, epochs: int, ideas: int, refill: int
):
    search = search_by(name, epochs=epochs, ideas_per_epoch=ideas)
    if name == "steady_state":
        search = replace(search, own=SteadySettings(refill=refill))
    places = [place for cohort in cohorts_of(search) for place in cohort.places]
    assert places == [(epoch, number) for epoch in range(epochs) for number in range(ideas)]
    assert 0 <= open_at_most(search) < ideas


def test_an_epoch_of_the_paper_comes_at_once_when_the_last_one_has_ended():
    search = search_by("evolution", epochs=2, ideas_per_epoch=8)
    assert [cohort.size for cohort in cohorts_of(search)] == [8, 8]
    assert open_at_most(search) == 0


def test_with_overlap_so_many_stragglers_may_still_run():
    search = search_by("evolution", ideas_per_epoch=8, overlap=0.4)
    assert open_at_most(search) == 3


def test_in_steady_state_a_few_ideas_come_whenever_as_many_have_ended():
    search = search_by("steady_state", epochs=2, ideas_per_epoch=5, own=SteadySettings(refill=2))
    assert [*cohorts_of(search)] == [
        Cohort(epoch=0, first=0, size=5),
        Cohort(epoch=1, first=0, size=2),
        Cohort(epoch=1, first=2, size=2),
        Cohort(epoch=1, first=4, size=1),
    ]
    assert open_at_most(search) == 3
