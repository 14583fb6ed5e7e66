"""What an update is ordered to learn from stands, whatever comes to be known later."""

from __future__ import annotations

from pathlib import Path

from airr.book import Book
from airr.ledger import Ledger
from airr.llm.journal import Journal
from airr.policy.orders import Order, StageKind, stage_name
from airr.policy.schooling import Schooling, rollouts_of
from airr.records import row_of
from airr.workspace import Workspace
from tests.builders import LOSS, idea, scored
from tests.policy.builders import POLICY, RL

BASELINE = scored("baseline", 2.5)


def begin(folder: Path) -> Schooling:
    """Return the lessons of a campaign of four ideas, of which two have ended."""
    workspace = Workspace(folder)
    workspace.create()
    book = Book(Ledger(workspace.ledger), Journal(workspace.journal, {}, {}))
    ideas = [idea(number) for number in range(4)]
    book.enter([*ideas, *(row_of(scored(one.id, 2.0 + n)) for n, one in enumerate(ideas[:2]))])
    return Schooling(workspace, book, LOSS, RL)


def order(schooling: Schooling, epoch: int) -> None:
    folder = schooling.workspace.stage(stage_name(epoch, StageKind.UPDATE))
    folder.mkdir(parents=True)
    order = Order(
        name="airr-test", kind=StageKind.UPDATE, folder=str(folder), attempt=0, model="",
        checkpoint=None, product="", seed=0, count=0, messages=(), policy=POLICY, rl=RL,
        lessons=schooling.of(epoch, BASELINE).lessons,
    )  # fmt: skip
    order.file.write_text(order.to_json())


def test_outcomes_that_come_after_an_update_was_ordered_are_no_part_of_it(tmp_path: Path):
    schooling = begin(tmp_path)
    ordered = schooling.of(0, BASELINE)
    assert (ordered.rollouts, ordered.late, len(ordered.rewards)) == (2, 0, 2)
    order(schooling, 0)
    schooling.book.enter([row_of(scored(idea(2).id, 1.0))])
    assert schooling.of(0, BASELINE) == ordered


def test_they_are_a_lesson_of_the_next_one_and_stay_so(tmp_path: Path):
    schooling = begin(tmp_path)
    order(schooling, 0)
    late = [idea(number) for number in (2, 3)]
    own = [idea(number, epoch=1) for number in range(2)]
    ended = [scored(one.id, 1.0 + n) for n, one in enumerate([late[0], *own])]
    schooling.book.enter([*own, *map(row_of, ended)])
    ordered = schooling.of(1, BASELINE)
    assert [one.places for one in ordered.lessons] == [(2,), (0, 1)]
    assert (ordered.rollouts, ordered.late) == (3, 1)
    order(schooling, 1)
    schooling.book.enter([row_of(scored(late[1].id, 5.0))])
    assert schooling.of(1, BASELINE) == ordered


def test_a_campaign_that_was_moved_finds_its_rollouts_where_they_are_now(tmp_path: Path):
    schooling = begin(tmp_path / "before")
    order(schooling, 0)
    moved = Workspace((tmp_path / "before").rename(tmp_path / "after"))
    (lesson,) = Schooling(moved, schooling.book, LOSS, RL).ordered(0)
    assert lesson.rollouts == str(rollouts_of(moved, 0))
