"""A campaign's files -> where it stands, beside a running head or long after it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from airr.batch import Batch
from airr.charter import Charter, read_charter
from airr.cluster.queue import Glance, describe
from airr.cohorts import cohorts
from airr.config import Metric, Sandbox
from airr.display.tables import (
    UNSHIELDED,
    best_table,
    counted,
    failure_line,
    spend_lines,
    with_warning,
    withheld_lines,
)
from airr.errors import WorkspaceError
from airr.estimates import Seeding, seeds_of, settled
from airr.executor.openruns import OpenRun, recover_open_runs
from airr.forecast import Left, hours_of, left_of
from airr.lease import holder_of
from airr.ledger import read_records, read_table
from airr.parsing import parse
from airr.records import (
    BASELINE,
    Call,
    Failed,
    Idea,
    Outcome,
    OutcomeRow,
    Run,
    Scored,
    Wanted,
    outcomes_of,
)
from airr.summary import best_ideas, failures, gpu_hours_of, withheld
from airr.titles import title_of
from airr.workspace import Workspace, names_in

BEST_SHOWN = 5
BEATS_WITHIN_SECONDS = 90
"""How old the heartbeat of a run may be that is taken for running: it beats every 15 s."""


def queued_batches(workspace: Workspace) -> set[str]:
    """Return the names of the arrays that Slurm may still know of; none of another scheduler."""
    try:
        scheduler = read_charter(workspace).setting("cluster.scheduler", str)
    except WorkspaceError:  # which its standing will tell
        return set()
    if scheduler != "slurm":
        return set()
    ended = read_table(workspace.ledger, "runs", ["id"])["id"].to_pylist()
    return {run.batch.name for run in recover_open_runs(workspace, ended).values()}


def standing_of(workspace: Workspace, queue: Glance | None = None) -> Group:
    """Return where a campaign stands, for a terminal; `queue` is None where no Slurm was asked.

    Raises:
        WorkspaceError: the folder holds no campaign.
    """
    charter = read_charter(workspace)
    if "search" not in charter.config:
        return Group(Text(_measured(workspace, charter, queue)))
    metric = parse(Metric, charter.config["env"]["metric"], at="env.metric.")
    ideas = {idea.id: idea for idea in read_records(workspace.ledger, Idea)}
    found = outcomes_of(read_records(workspace.ledger, OutcomeRow))
    outcomes = settled(found)
    runs = read_records(workspace.ledger, Run)
    open_runs = list(recover_open_runs(workspace, [run.id for run in runs]).values())
    own = {key: outcome for key, outcome in outcomes.items() if key != BASELINE}
    epochs = charter.setting("search.epochs", int)
    scored = sum(isinstance(outcome, Scored) for outcome in own.values())
    spent = spend_lines(read_records(workspace.ledger, Call))
    epoch = max((idea.epoch for idea in ideas.values()), default=0)
    baseline = outcomes.get(BASELINE)
    left = _left(charter.config["search"], metric, list(ideas.values()), found)
    state = _state(workspace, is_complete=not left.most_runs)
    if isinstance(baseline, Failed):
        state = f"ended: the unmodified codebase failed ({baseline.reason}): start another one"
    text = [
        f"{workspace.name}: {state}",
        f"  epoch {epoch + 1} of {epochs}; {len(ideas)} ideas proposed, "
        f"{scored} scored, {failure_line(failures(own))}",
        *(f"  {line}" for line in withheld_lines(withheld(own))),
        *([f"  candidates run {UNSHIELDED}"] if _is_unshielded(workspace) else []),
        f"  {_open_line(workspace, open_runs, queue)}",
        *(f"  {line}" for line in spent),
        f"  {gpu_hours_of(runs):.1f} GPU-hours{_to_come(charter, left)}",
    ]
    if not isinstance(baseline, Scored):
        return Group(with_warning("\n".join(text)))
    best = best_ideas(ideas, outcomes, metric, BEST_SHOWN)
    texts = {idea.id: idea.text for idea in ideas.values()}
    titles = {one.idea.id: title_of(one.idea.id, texts) for one in best}
    table = best_table(best, baseline, metric, seeds_of(found), titles)
    return Group(with_warning("\n".join(text)), table)


def _measured(workspace: Workspace, charter: Charter, queue: Glance | None) -> str:
    """Return where a measurement stands: of `airr.baseline`, or of `airr.verify`."""
    rows = read_records(workspace.ledger, OutcomeRow)
    runs = read_records(workspace.ledger, Run)
    open_runs = list(recover_open_runs(workspace, [run.id for run in runs]).values())
    codebases = 1 + len(read_records(workspace.ledger, Idea))
    wanted = max(len(rows), codebases * charter.setting("seeds", int))
    failed = failures(outcomes_of(rows))
    scored = len(rows) - failed.total()
    return (
        f"{workspace.name}: {_state(workspace, is_complete=len(rows) == wanted)}\n"
        f"  a measurement: {len(rows)} of {wanted} runs done, {scored} scored, "
        f"{failure_line(failed)}\n"
        f"  {_open_line(workspace, open_runs, queue)}\n"
        f"  {sum(run.gpu_seconds for run in runs) / 3600:.1f} GPU-hours spent\n"
    )


def _state(workspace: Workspace, *, is_complete: bool) -> str:
    """Return whether a head is at work, the campaign is complete, or why it is not."""
    if holder := holder_of(workspace.lease):
        return f"running ({holder})"
    if is_complete:
        return "complete"
    if workspace.stopped.exists():
        return f"stopped: {workspace.stopped.read_text(encoding='utf-8')}"
    return "interrupted: the same command goes on"


def _is_unshielded(workspace: Workspace) -> bool:
    """Tell whether the last batch ran without a sandbox."""
    for name in sorted(names_in(workspace.jobs), reverse=True):
        try:
            batch = Batch.from_json((workspace.batch(name) / "batch.json").read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it was taken back, or is damaged: see the head's log
        return batch.plan.sandbox == Sandbox.NONE
    return False


def _open_line(workspace: Workspace, runs: list[OpenRun], queue: Glance | None) -> str:
    """Return how many runs are on their way, and what the queue says of them."""
    if not runs:
        return "no runs open"
    opened = f"{counted(len(runs), 'run')} open"
    tasks = {(run.batch.name, run.task) for run in runs}
    if len(tasks) < len(runs):
        opened += f" in {counted(len(tasks), 'task')}"
    if queue is None:
        return opened
    if not queue.silence:
        return f"{opened}: {describe(queue.of({run.batch.name for run in runs}))}"
    beating = sum(_beats(workspace, run) for run in runs)
    return (
        f"{opened}; Slurm does not answer ({queue.silence}); from the files: "
        f"{beating} ran within the last {BEATS_WITHIN_SECONDS} s"
    )


def _beats(workspace: Workspace, run: OpenRun) -> bool:
    """Tell whether the heartbeat of a run's worker is young."""
    try:
        beat = workspace.heartbeat(run.batch.name, run.planned.key).stat().st_mtime
    except FileNotFoundError:
        return False
    return time.time() - beat < BEATS_WITHIN_SECONDS


def _left(
    search: Mapping[str, Any],
    metric: Metric,
    ideas: Sequence[Idea],
    outcomes: Mapping[Wanted, Outcome],
) -> Left:
    """Return what is left to do by the settings that a campaign was started with."""
    seeding = Seeding(  # campaigns of before these settings had one seed of everything
        baseline_seeds=search.get("baseline_seeds", 1),
        repeats=search.get("repeats", 0),
        caution=search["caution"],
    )
    return left_of(
        cohorts(search["epochs"], search["ideas_per_epoch"], search.get("refill")),
        ideas,
        outcomes,
        seeding=seeding,
        metric=metric,
    )


def _to_come(charter: Charter, left: Left) -> str:
    """Return the GPU-hours that are left to spend, if there are any."""
    env = charter.config["env"]
    sizes = ("nodes", "gpus", "budget_seconds", "score_seconds")
    hours = hours_of(left.most_runs, **{size: env[size] for size in sizes})
    return f" spent; at most {hours.gpu_most:.1f} GPU-hours to come" if hours.gpu_most else ""
