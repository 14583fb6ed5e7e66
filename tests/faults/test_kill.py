"""kill -9 of the head and of all its children, at random moments, then the same command."""

import random
import time
from pathlib import Path

import pytest

from tests import toy
from tests.campaigns import Command, assert_nothing_is_double, kill_at_random, what_came_of_it

KILLS = 10
SEARCH = ["search.epochs=3", "search.ideas_per_epoch=4", "llm=offline", "cluster=local"]


ON_PARENTS = ["search=tree", "search.base=parent", "search.breadth=1"]


WITH_SEEDS = ["search.repeats=2", "search.baseline_seeds=2"]


SCREENED = ["search.screen.rungs=[0.3,0.6]", "search.repeats=1"]


@pytest.mark.parametrize(
    "how",
    [
        [],
        *(pytest.param(how, marks=pytest.mark.long) for how in (ON_PARENTS, WITH_SEEDS, SCREENED)),
    ],
)
def test_a_campaign_killed_at_ten_random_moments_ends_like_an_undisturbed_one(
    how: list[str], tmp_path: Path
):
    env, log, runs = toy.make_campaign_env(tmp_path), tmp_path / "log.txt", tmp_path / "runs"
    calm, again, shaken = (
        Command([*how, *SEARCH, *env, f"campaign={name}"], log, {})
        for name in ("calm", "again", "shaken")
    )
    calm.finish()
    began = time.monotonic()
    again.finish()
    longest = 2 * (time.monotonic() - began) / KILLS

    met = kill_at_random(shaken, kills=KILLS, longest=longest, rng=random.Random(0), children=True)
    shaken.finish()

    assert met >= KILLS // 2, "the kills came too late to disturb anything"
    expected = what_came_of_it(runs / "calm")
    assert len(expected[0]) == 12
    assert what_came_of_it(runs / "again") == expected, "a seed decides everything"
    assert what_came_of_it(runs / "shaken") == expected
    assert_nothing_is_double(runs / "shaken")
