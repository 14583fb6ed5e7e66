"""Tree search: drafts, debugging of failed leaves, improvement of the best; as a pure function."""

import random
from dataclasses import replace
from typing import Any

import pytest

from airr.records import Origin, Reason, Trial
from airr.researcher import tree
from airr.researcher.strategy import Past
from tests.builders import BASELINE_SCORE, LOSS, OWN, failed, idea, search_by, trial

SEARCH = search_by("tree")


def plan(*trials: Trial, epoch: int = 1, **own: object):
    search = replace(SEARCH, own=replace(OWN["tree"], **own))
    past = Past(trials=trials, baseline=BASELINE_SCORE, metric=LOSS)
    return tree.plan_epoch(past, epoch, search, random.Random(0))


def broken(number: int, reason: Reason = Reason.CRASH, **fields: Any) -> Trial:
    one = idea(number, **fields)
    return Trial(idea=one, outcome=failed(one.id, reason))


GROWN = (trial(0, 1.9), trial(1, 2.1), broken(2), trial(3, 1.8), trial(4, 1.7))


def by_origin(requests, origin: Origin):
    return [request for request in requests if request.origin is origin]


def test_the_best_nodes_are_improved_one_by_one_in_equal_parts():
    improved = by_origin(plan(*GROWN), Origin.EXPLOIT)
    assert [(one.shown[0].idea.id, one.count) for one in improved] == [
        ("e00-i004", 4),
        ("e00-i003", 3),
    ]
    assert all(len(one.shown) == 1 for one in improved)


def test_with_a_breadth_of_one_the_best_node_alone_is_improved():
    (improved,) = by_origin(plan(*GROWN, breadth=1), Origin.EXPLOIT)
    assert improved.shown[0].idea.id == "e00-i004"


def test_a_share_of_an_epoch_mends_failed_leaves_each_in_a_call_of_its_own():
    crowd = [*GROWN, broken(5), broken(6)]
    mended = by_origin(plan(*crowd), Origin.DEBUG)
    assert [(one.count, len(one.shown)) for one in mended] == [(1, 1), (1, 1)]
    assert len({one.shown[0].idea.id for one in mended}) == 2
    assert not by_origin(plan(*crowd, debug_share=0.0), Origin.DEBUG)


def test_a_failed_node_is_mended_once_and_its_mended_child_up_to_the_depth():
    child = broken(7, origin=Origin.DEBUG, parents=("e00-i002",))
    (mended,) = by_origin(plan(*GROWN, child), Origin.DEBUG)
    assert mended.shown[0].idea.id == child.idea.id
    grandchild = broken(8, origin=Origin.DEBUG, parents=(child.idea.id,))
    assert not by_origin(plan(*GROWN, child, grandchild), Origin.DEBUG)
    assert by_origin(plan(*GROWN, child, grandchild, debug_depth=3), Origin.DEBUG)


@pytest.mark.parametrize(
    "reason", [Reason.NODE_FAIL, Reason.CANCELLED, Reason.NOT_CAUSAL, Reason.TAMPERED]
)
def test_neither_the_clusters_failures_nor_those_of_cheats_are_mended(reason: Reason):
    assert not by_origin(plan(trial(0, 1.9), broken(1, reason)), Origin.DEBUG)


def test_drafts_come_first_until_there_are_enough_children_of_the_root():
    requests = plan(trial(0, 1.9), trial(1, 1.8))
    assert sum(one.count for one in by_origin(requests, Origin.EXPLORE)) == 2
    assert not by_origin(plan(*GROWN), Origin.EXPLORE)


def test_where_nothing_beats_the_root_its_improvement_is_another_draft():
    requests = plan(*(trial(number, 2.5) for number in range(5)))
    assert {one.origin for one in requests} == {Origin.EXPLORE}
    assert sum(one.count for one in requests) == SEARCH.ideas_per_epoch
