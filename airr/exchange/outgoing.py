"""A campaign -> its ideas as rows of trajectories, in the ledger's order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from airr.archives import BadArchive
from airr.charter import Charter, read_charter
from airr.config import Direction
from airr.estimates import settled
from airr.exchange.rows import Measure, Row
from airr.executor.codebases import unpack
from airr.executor.diffs import unified_diff
from airr.ledger import read_records
from airr.records import (
    BASELINE,
    Idea,
    Outcome,
    OutcomeRow,
    Patch,
    Scored,
    Withheld,
    outcomes_of,
)
from airr.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What a campaign gives: its rows, and how many ideas have no outcome yet or are withheld."""

    rows: tuple[Row, ...]
    open: int
    withheld: int


def outgoing_of(workspace: Workspace) -> Outgoing:
    """Return the ideas of a campaign that have come to an outcome.

    The score of an idea that was run with several seeds is their mean. A withheld score, too good
    to be believed yet, goes out as none; in what was imported it goes out as it came.

    Raises:
        WorkspaceError: the folder holds no campaign, or a damaged one.
    """
    charter = read_charter(workspace)
    ideas = read_records(workspace.ledger, Idea)
    outcomes = settled(outcomes_of(read_records(workspace.ledger, OutcomeRow)))
    patches: dict[str, Patch] = {}
    for patch in read_records(workspace.ledger, Patch):
        if patch.applied or patch.idea_id not in patches:
            patches[patch.idea_id] = patch
    ended = [idea for idea in ideas if idea.id in outcomes]
    rows = [
        _row(workspace, charter, idea, patches.get(idea.id), outcomes[idea.id]) for idea in ended
    ]
    held = [one for key, one in outcomes.items() if isinstance(one, Withheld) and key != BASELINE]
    return Outgoing(
        rows=tuple(rows),
        open=len(ideas) - len(ended),
        withheld=0 if charter.is_imported else len(held),
    )


def _row(
    workspace: Workspace, charter: Charter, idea: Idea, patch: Patch | None, outcome: Outcome
) -> Row:
    metric = charter.metric
    counts = isinstance(outcome, Scored) or (isinstance(outcome, Withheld) and charter.is_imported)
    value = outcome.metric if counts and isinstance(outcome, Scored | Withheld) else None
    by_direction = {Direction.MINIMIZE: Measure.LOSS, Direction.MAXIMIZE: Measure.ACCURACY}
    return Row(
        ideator_model=idea.model,
        executor_model=patch.model if patch else "",
        env=charter.setting("env.name", str),
        epoch=idea.epoch,
        idea=idea.text,
        code_diff=_diff(workspace, idea, patch),
        measure=None if value is None else by_direction[metric.direction],
        value=value,
    )


def _diff(workspace: Workspace, idea: Idea, patch: Patch | None) -> str:
    """Return the diff against the baseline if both codebases can be read, else the model's answer.

    An answer holds words around its diff, and that of a child is against its parent's codebase.
    """
    own, baseline = (workspace.codebase(name) for name in (idea.id, BASELINE))
    with suppress(FileNotFoundError, BadArchive):
        return unified_diff(unpack(baseline.read_bytes()), unpack(own.read_bytes()))
    return patch.diff if patch else ""
