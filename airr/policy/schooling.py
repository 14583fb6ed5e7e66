"""An epoch -> what its update learns from: as it was ordered, or of the outcomes there are by now.

An order stands. Outcomes that come after it are late, even if its head is gone by then: so no
rollout teaches twice, and the ledger tells what was learned from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from airr.book import Book
from airr.config import Metric
from airr.policy.lessons import Taught, Teacher, taught, without
from airr.policy.orders import Lesson, StageKind, stage_name
from airr.policy.settings import Late, Rl
from airr.policy.stages import orders_in
from airr.records import Scored
from airr.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Schooling:
    """The lessons of one campaign."""

    workspace: Workspace
    book: Book
    metric: Metric
    rl: Rl

    def of(self, epoch: int, baseline: Scored) -> Taught:
        """Return what an epoch's update learns from: its outcomes, and late ones of the last."""
        teacher = Teacher(self.book.outcomes, baseline=baseline, metric=self.metric, rl=self.rl)
        if ordered := self.ordered(epoch):
            places = self._places(epoch)
            _, rewards = self._lesson(teacher, epoch, places or None)
            late = sum(len(lesson.places) for lesson in ordered) - len(places)
            return Taught(lessons=ordered, late=late, rewards=rewards)
        own, rewards = self._lesson(teacher, epoch)
        late = None
        if epoch and self.rl.late is Late.WEIGHT:
            whole, _ = self._lesson(teacher, epoch - 1)
            late = without(whole, self._places(epoch - 1))
        return taught(late, own, rewards)

    def ordered(self, epoch: int) -> tuple[Lesson, ...]:
        """Return what an epoch's update was ordered to learn from; nothing while it is not.

        Its files are named where the campaign lies now: it may have been moved.
        """
        orders = orders_in(self.workspace.stage(stage_name(epoch, StageKind.UPDATE)))
        lessons = orders[-1].lessons if orders else ()
        return tuple(
            replace(one, rollouts=str(_rollouts_in(self.workspace, Path(one.rollouts).parent.name)))
            for one in lessons
        )

    def _lesson(
        self, teacher: Teacher, epoch: int, places: Collection[int] | None = None
    ) -> tuple[Lesson, tuple[float, ...]]:
        """Return what an epoch's rollouts teach, all of them or those at some places."""
        past = [trial.idea.text for trial in self.book.trials_before(epoch)]
        ideas = self.book.ideas_of(epoch)
        if places is not None:
            ideas = [idea for idea in ideas if idea.place[1] in places]
        return teacher.lesson(ideas, past, str(rollouts_of(self.workspace, epoch)))

    def _places(self, epoch: int) -> frozenset[int]:
        """Return the places of an epoch's rollouts that its own update learns from, or has."""
        rollouts = str(rollouts_of(self.workspace, epoch))
        own = (lesson for lesson in self.ordered(epoch) if lesson.rollouts == rollouts)
        return frozenset(place for lesson in own for place in lesson.places)


def rollouts_of(workspace: Workspace, epoch: int) -> Path:
    """Return the absolute path of the file in which an epoch's rollouts stand."""
    return _rollouts_in(workspace, stage_name(epoch, StageKind.SAMPLE))


def _rollouts_in(workspace: Workspace, stage: str) -> Path:
    return workspace.stage(stage).absolute() / "rollouts.parquet"
