"""A campaign's files -> where it stands, beside a running head or long after it."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from airr.batch import Batch
from airr.charter import read_charter
from airr.config import Metric, parse
from airr.display.tables import best_table, failure_line, spend_text
from airr.lease import holder_of
from airr.ledger import read_records
from airr.records import BASELINE, Call, Idea, OutcomeRow, Run, Scored, outcome_of
from airr.summary import best_ideas, failures, spend_of
from airr.workspace import Workspace, names_in

BEST_SHOWN = 5


def standing_of(workspace: Workspace) -> Group:
    """Return where a campaign stands, for a terminal.

    Raises:
        WorkspaceError: the folder holds no campaign.
    """
    charter = read_charter(workspace)
    metric = parse(Metric, charter.config["env"]["metric"], at="env.metric.")
    ideas = {idea.id: idea for idea in read_records(workspace.ledger, Idea)}
    rows = read_records(workspace.ledger, OutcomeRow)
    outcomes = {row.idea_id: outcome_of(row) for row in rows if row.repeat == 0}
    runs = read_records(workspace.ledger, Run)
    own = {key: outcome for key, outcome in outcomes.items() if key != BASELINE}
    settings = charter.config["search"]
    wanted = settings["epochs"] * settings["ideas_per_epoch"]
    scored = sum(isinstance(outcome, Scored) for outcome in own.values())
    spend = spend_of(read_records(workspace.ledger, Call), runs)
    epoch = max((idea.epoch for idea in ideas.values()), default=0)
    text = [
        f"{workspace.name}: {_state(workspace, len(own), len(ideas), wanted)}",
        f"  epoch {epoch + 1} of {settings['epochs']}; {len(ideas)} ideas proposed, "
        f"{scored} scored, {failure_line(failures(own))}",
        f"  {_open_runs(workspace, {run.id for run in runs})} runs open; {spend_text(spend)}",
    ]
    baseline = outcomes.get(BASELINE)
    if not isinstance(baseline, Scored):
        return Group(Text("\n".join(text)))
    best = best_ideas(ideas, outcomes, metric, BEST_SHOWN)
    return Group(Text("\n".join(text)), best_table(best, baseline, metric))


def _state(workspace: Workspace, done: int, proposed: int, wanted: int) -> str:
    """Return whether a head is at work, the campaign is complete, or it was interrupted."""
    if holder := holder_of(workspace.lease):
        return f"running ({holder})"
    if done == proposed and proposed >= wanted:
        return "complete"
    return "interrupted: the same command goes on"


def _open_runs(workspace: Workspace, ended: set[str]) -> int:
    """Return how many runs were submitted and have no row in the ledger yet."""
    open_runs = 0
    for name in names_in(workspace.jobs):
        try:
            batch = Batch.from_json((workspace.batch(name) / "batch.json").read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written at this moment, or damaged: the head tells of it
        open_runs += sum(run.key.name not in ended for run in batch.runs)
    return open_runs
