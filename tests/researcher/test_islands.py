"""Islands: populations that evolve apart and meet at times; as a pure function."""

import random
from collections import Counter
from dataclasses import replace

from airr.records import Origin, Trial
from airr.researcher import islands
from airr.researcher.strategy import Past
from tests.builders import BASELINE_SCORE, LOSS, OWN, search_by, trial

SEARCH = search_by("islands", ideas_per_epoch=12)


def plan(*trials: Trial, epoch: int = 1, **own: object):
    search = replace(SEARCH, own=replace(OWN["islands"], **own))
    past = Past(trials=trials, baseline=BASELINE_SCORE, metric=LOSS)
    return islands.plan_epoch(past, epoch, search, random.Random(0))


def on(island: int | None, number: int, metric: float | None) -> Trial:
    one = trial(number, metric)
    return replace(one, idea=replace(one.idea, island=island))


WORLD = (on(0, 0, 1.9), on(0, 1, 1.8), on(1, 2, 1.7), on(1, 3, None), on(2, 4, 2.5))


def shown_to(requests, island: int, origin: Origin) -> set[str]:
    return {
        past.idea.id
        for request in requests
        if request.island == island and request.origin is origin
        for past in request.shown
    }


def test_every_island_has_an_equal_share_and_the_rest_goes_by_turns():
    for epoch in range(3):
        shares: Counter[int | None] = Counter()
        for request in islands.plan_epoch(
            Past(trials=WORLD, baseline=BASELINE_SCORE, metric=LOSS),
            epoch,
            replace(SEARCH, ideas_per_epoch=13),
            random.Random(0),
        ):
            shares[request.island] += request.count
        assert shares == {0: 4, 1: 4, 2: 4} | {epoch: 5}


def test_the_first_ideas_of_every_island_are_fresh():
    assert [(one.origin, one.island, one.count) for one in plan(epoch=0)] == [
        (Origin.FRESH, 0, 4),
        (Origin.FRESH, 1, 4),
        (Origin.FRESH, 2, 4),
    ]


def test_parents_are_an_islands_own_where_nobody_migrates():
    requests = plan(*WORLD)
    assert shown_to(requests, 0, Origin.EXPLOIT) == {"e00-i000", "e00-i001"}
    assert shown_to(requests, 1, Origin.EXPLOIT) == {"e00-i002"}
    assert shown_to(requests, 1, Origin.EXPLORE) == {"e00-i002", "e00-i003"}


def test_an_island_where_nothing_beat_the_baseline_explores_alone():
    requests = [one for one in plan(*WORLD) if one.island == 2]
    assert [(one.origin, one.count) for one in requests] == [(Origin.EXPLORE, 4)]


def test_at_times_the_best_of_the_next_island_are_parents_too():
    assert "e00-i002" in shown_to(plan(*WORLD, epoch=2, parents=3), 0, Origin.EXPLOIT)
    assert shown_to(plan(*WORLD, epoch=2), 2, Origin.EXPLOIT) == {"e00-i001"}
    never = plan(*WORLD, epoch=2, migrate_every=0, parents=3)
    assert "e00-i002" not in shown_to(never, 0, Origin.EXPLOIT)


def test_ideas_that_came_from_elsewhere_live_on_every_island():
    requests = plan(on(None, 0, 1.9))
    assert all(shown_to(requests, island, Origin.EXPLOIT) for island in range(3))


def test_the_best_breed_most_often():
    ranked = [trial(number, 1.0 + number / 100) for number in range(50)]
    rng = random.Random(0)
    drawn = Counter(
        one.idea.id for _ in range(2000) for one in islands.sample_by_rank(ranked, 2, rng)
    )
    assert drawn["e00-i000"] > 2 * drawn["e00-i009"] > 4 * drawn["e00-i049"] > 0
