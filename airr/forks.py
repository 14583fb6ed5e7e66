"""A campaign -> what another one begins with. Scores come along where both measure alike."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace

from airr.charter import Charter, has_begun, read_charter
from airr.errors import WorkspaceError
from airr.ledger import Ledger, read_records
from airr.records import SCORED, Idea, OutcomeRow
from airr.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Heritage:
    """The rows that a new campaign's ledger begins with."""

    ideas: tuple[Idea, ...]
    outcomes: tuple[OutcomeRow, ...]


def heritage_of(source: Workspace, room: int) -> Heritage:
    """Return what is settled in a campaign; of an imported one, its best ideas without scores.

    Those were measured elsewhere: up to `room` of them become the first epoch, and are implemented
    and measured as if they had just been proposed.

    Raises:
        WorkspaceError: there is no campaign, or an imported one without a scored idea.
    """
    charter = read_charter(source)
    ideas = read_records(source.ledger, Idea)
    outcomes = read_records(source.ledger, OutcomeRow)
    if charter.is_imported:
        best = _best(charter, {idea.id: idea for idea in ideas}, outcomes)[:room]
        if not best:
            raise WorkspaceError(f"fork={source.name}: no idea of it has a score to be chosen by")
        firsts = [replace(idea, id=f"e00-i{n:03d}", epoch=0) for n, idea in enumerate(best)]
        return Heritage(ideas=tuple(firsts), outcomes=())
    settled = {row.idea_id for row in outcomes}
    return Heritage(
        ideas=tuple(idea for idea in ideas if idea.id in settled), outcomes=tuple(outcomes)
    )


def _best(charter: Charter, ideas: Mapping[str, Idea], outcomes: list[OutcomeRow]) -> list[Idea]:
    """Return the scored ideas, best first, each text once."""
    metric = charter.metric
    scores = {
        row.idea_id: metric.gain(row.metric, over=0.0)
        for row in outcomes
        if row.status == SCORED and row.metric is not None and row.idea_id in ideas
    }
    ranked = sorted(scores, key=lambda one: (-scores[one], ideas[one].place))
    firsts = {ideas[one].text: one for one in reversed(ranked)}
    return [ideas[one] for one in ranked if firsts[ideas[one].text] == one]


def check_begun(workspace: Workspace, heritage: Heritage) -> None:
    """Refuse to go on with a campaign that began with other ideas.

    Raises:
        WorkspaceError: it is so.
    """
    begun = {idea.id: idea.text for idea in read_records(workspace.ledger, Idea)}
    wanted = {idea.id: idea.text for idea in heritage.ideas}
    if begun and any(begun.get(key) != text for key, text in wanted.items()):
        raise WorkspaceError(
            f"campaign {workspace.name} began with other ideas: give it those, or start another "
            "one with campaign=NEWNAME"
        )


def begin_with(heritage: Heritage, target: Workspace) -> None:
    """Make some rows the beginning of a campaign; one that has begun is left as it is."""
    if not has_begun(target):
        Ledger(target.ledger).append([*heritage.ideas, *heritage.outcomes])


def fork(source: Workspace, target: Workspace, room: int) -> None:
    """Make what is settled in one campaign the beginning of another; `room` is its first epoch's.

    What the first one paid for (its calls and runs) stays in its own ledger. A campaign that has
    begun is left as it is: the command that forked it goes on with it.
    """
    if has_begun(target):
        return
    heritage = heritage_of(source, room)
    shutil.copytree(source.codebases, target.codebases, dirs_exist_ok=True)
    begin_with(heritage, target)
