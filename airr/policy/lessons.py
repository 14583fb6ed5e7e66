"""Outcomes of rollouts -> what an update is to learn from them. Pure.

Advantages are those within the group of an epoch, as far as it has outcomes. Rollouts whose outcome
came after their own update are a lesson of their own in the next one, with advantages in the group
that they belong to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from airr.config import Metric
from airr.policy.objectives import advantages_of
from airr.policy.orders import Lesson
from airr.policy.rewards import Judged, rewards_of
from airr.policy.settings import Rl
from airr.records import Idea, Outcome, Scored, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What an update learns from: lessons with something to teach, and the epoch's own rewards.

    `late` counts the rollouts of the epoch before.
    """

    lessons: tuple[Lesson, ...]
    late: int
    rewards: tuple[float, ...]

    @property
    def rollouts(self) -> int:
        """Return how many rollouts have something to teach."""
        return sum(len(lesson.places) for lesson in self.lessons)


class Teacher:
    """Makes lessons of one campaign's outcomes."""

    def __init__(
        self,
        outcomes: Mapping[Wanted, Outcome],
        *,
        baseline: Scored,
        metric: Metric,
        rl: Rl,
    ) -> None:
        """Look at these outcomes, which may become more."""
        self._outcomes = outcomes
        self._baseline = baseline
        self._metric = metric
        self._rl = rl

    def lesson(
        self, ideas: Sequence[Idea], past: Sequence[str], rollouts: str
    ) -> tuple[Lesson, tuple[float, ...]]:
        """Return what an epoch's rollouts teach that have an outcome, and their rewards.

        `past` are the texts of ideas of earlier epochs; `rollouts` is the file of the group.
        """
        ended = [idea for idea in ideas if (idea.id, 0) in self._outcomes]
        group = [
            Judged(
                text=idea.text,
                thinking_tokens=idea.thinking_tokens,
                outcome=self._outcomes[idea.id, 0],
            )
            for idea in ended
        ]
        rewards = rewards_of(group, past, baseline=self._baseline, metric=self._metric, rl=self._rl)
        advantages = advantages_of(rewards, self._rl.objective, self._rl.k) if ended else rewards
        lesson = Lesson(
            rollouts=rollouts,
            places=tuple(idea.place[1] for idea in ended),
            advantages=tuple(advantages.tolist()),
        )
        return lesson, tuple(rewards.tolist())


def taught(late: Lesson | None, own: Lesson, rewards: tuple[float, ...]) -> Taught:
    """Return what an update learns from; a lesson in which all is alike teaches nothing."""
    lessons = [lesson for lesson in (late, own) if lesson and any(lesson.advantages)]
    count = len(late.places) if late in lessons and late else 0
    return Taught(lessons=tuple(lessons), late=count, rewards=rewards)


def without(lesson: Lesson, places: Collection[int]) -> Lesson:
    """Return what is left of a lesson once these places have been learned from."""
    kept = [
        (place, advantage)
        for place, advantage in zip(lesson.places, lesson.advantages, strict=True)
        if place not in places
    ]
    return replace(
        lesson,
        places=tuple(place for place, _ in kept),
        advantages=tuple(advantage for _, advantage in kept),
    )
