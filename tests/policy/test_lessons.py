"""What an update learns from: outcomes that are there, each of them once."""

from __future__ import annotations

import pytest

from airr.policy.lessons import Taught, Teacher, taught, without
from airr.policy.orders import Lesson
from airr.records import Outcome, Wanted
from tests.builders import LOSS, failed, idea, scored
from tests.policy.builders import RL

IDEAS = [idea(number) for number in range(4)]


def teacher(*outcomes: Outcome) -> Teacher:
    known: dict[Wanted, Outcome] = {(one.idea_id, 0): one for one in outcomes}
    return Teacher(known, baseline=scored("baseline", 2.5), metric=LOSS, rl=RL)


def lesson(*advantages: float, first: int = 0) -> Lesson:
    places = tuple(range(first, first + len(advantages)))
    return Lesson(rollouts="file", places=places, advantages=advantages)


def test_a_lesson_holds_the_rollouts_with_an_outcome():
    late = IDEAS[2]
    ended = [scored(one.id, 2.0 + n) for n, one in enumerate(IDEAS) if one is not late]
    found, rewards = teacher(*ended).lesson(IDEAS, (), "file")
    assert found.places == (0, 1, 3)
    assert rewards == pytest.approx((1 / 2, 1 / 3, 1 / 5))
    assert sum(found.advantages) == pytest.approx(0)
    assert found.advantages[0] > found.advantages[1] > found.advantages[2]


def test_without_any_outcome_there_is_nothing_to_teach():
    found, rewards = teacher().lesson(IDEAS, (), "file")
    assert taught(None, found, rewards) == Taught(lessons=(), late=0, rewards=())


def test_a_group_that_failed_as_one_teaches_nothing():
    found, rewards = teacher(*(failed(one.id) for one in IDEAS)).lesson(IDEAS, (), "file")
    assert taught(None, found, rewards).rollouts == 0
    assert rewards == (0, 0, 0, 0)


def test_late_rollouts_come_beside_the_epoch_s_own():
    whole = lesson(1.0, -1.0, 0.5, -0.5)
    late = without(whole, {0, 1})
    assert (late.places, late.advantages) == ((2, 3), (0.5, -0.5))
    found = taught(late, lesson(2.0, -2.0), (0.4, 0.2))
    assert (found.late, found.rollouts, len(found.lessons)) == (2, 4, 2)


def test_where_none_is_late_the_epoch_s_own_stand_alone():
    found = taught(without(lesson(1.0, -1.0), {0, 1}), lesson(2.0, -2.0), (0.4, 0.2))
    assert (found.late, found.rollouts, len(found.lessons)) == (0, 2, 1)
