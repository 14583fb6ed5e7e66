"""A campaign's files, and one look at the queue -> where it stands: what terminal and JSON show.

Beside a running head or long after it. It is asked often and must answer fast: what is only
summed up is summed up by column, and no log is read.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from airr.batch import Batch
from airr.charter import Charter, read_charter
from airr.cluster.queue import Glance, describe
from airr.config import Direction, Sandbox
from airr.estimates import seeds_of, settled
from airr.executor.openruns import OpenRun, open_runs_in
from airr.lease import holder_of
from airr.ledger import read_records, read_table
from airr.policy.orders import Order
from airr.policy.stages import open_orders
from airr.records import (
    BASELINE,
    SCORED,
    Failed,
    Idea,
    Outcome,
    OutcomeRow,
    Scored,
    Screening,
    outcomes_of,
    trials_of,
)
from airr.reporting.fates import fate_of, gain_of, score_of
from airr.reporting.to_come import gpu_hours_to_come, left_by, size_of
from airr.reporting.tree import Fate, Gain, MetricFacts, Score
from airr.researcher.bandit import Record, records_of
from airr.summary import Best, Spend, best_first, best_ideas, dropped, failures, withheld
from airr.titles import Title, title_of
from airr.totals import gpu_hours_in, spend_in
from airr.workspace import Workspace, names_in

BEST_SHOWN = 5
BEATS_WITHIN_SECONDS = 90
"""How old the heartbeat of a run may be that is taken for running: it beats every 15 s."""


class State(StrEnum):
    """Whether a campaign goes on, and by whom."""

    RUNNING = "running"
    """A head is at work on it."""
    COMPLETE = "complete"
    """All that was asked for is done."""
    STOPPED = "stopped"
    """A bound of its budget ended it."""
    ENDED = "ended"
    """Its baseline failed: there is nothing to compare with."""
    INTERRUPTED = "interrupted"
    """Its head has ended before it was done: the same command goes on."""
    IMPORTED = "imported"
    """Others measured it: airr.trajectories read it from a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Runs without a result. `said` is what the queue says, or why it says nothing, if asked."""

    runs: int
    tasks: int
    beating: int
    """How many have shown life within the last `BEATS_WITHIN_SECONDS` seconds."""
    said: str | None
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How far the policy is that a campaign trains; `open` are its stages whose jobs are out.

    `said` is what the queue says of them, if it was asked.
    """

    updates: int
    updates_wanted: int
    open: tuple[str, ...]
    said: str | None

    @property
    def updates_left(self) -> int:
        """Return how many updates are still to be made."""
        return max(0, self.updates_wanted - self.updates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """One of the best ideas; its gain is null where the baseline has no score."""

    id: str
    title: Title
    score: Score
    gain: Gain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a search stands. Field names are the keys of `json=true`, as they are the report's.

    `why` says more of `state`; `fates` counts ideas; `gpu_hours_to_come` is the most there may be.
    `members` are the models of an ensemble, and how many of their ideas paid.
    """

    name: str
    kind: str = "search"
    state: State
    why: str
    env: str
    epoch: int
    epochs_wanted: int
    ideas: int
    ideas_wanted: int
    scored: int
    fates: Mapping[str, int]
    failures: Mapping[str, int]
    dropped: Mapping[str, int]
    withheld: Mapping[str, str]
    shielded: bool
    open: Open
    spent: Mapping[str, Spend]
    gpu_hours: float
    gpu_hours_to_come: float
    metric: MetricFacts
    baseline: Score | None
    best: tuple[Leader, ...]
    members: Mapping[str, Record]
    learning: Learning | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Where a measurement stands: of `airr.baseline`, or of `airr.verify`."""

    name: str
    kind: str = "measurement"
    state: State
    why: str
    runs: int
    runs_wanted: int
    scored: int
    failures: Mapping[str, int]
    open: Open
    gpu_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A folder that holds a damaged campaign."""

    name: str
    kind: str = "unreadable"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read of a campaign before its queue was asked.

    `arrays` are the names of the arrays that Slurm may still know of, if it is Slurm.
    """

    workspace: Workspace
    charter: Charter
    open_runs: Sequence[OpenRun]
    orders: Sequence[Order]
    """Of the policy's jobs, where one is trained: those that may be queued or running."""
    arrays: frozenset[str]


def see(workspace: Workspace) -> Seen:
    """Return what there is to ask the queue about.

    Raises:
        WorkspaceError: the folder holds no campaign, or a damaged one.
    """
    charter = read_charter(workspace)
    open_runs, orders = [*open_runs_in(workspace).values()], open_orders(workspace)
    arrays = frozenset(run.batch.name for run in open_runs) | {one.name for one in orders}
    is_slurm = charter.setting("cluster.scheduler", str) == "slurm"
    return Seen(
        workspace=workspace,
        charter=charter,
        open_runs=open_runs,
        orders=orders,
        arrays=arrays if is_slurm else frozenset(),
    )


def standing_of(seen: Seen, queue: Glance | None = None) -> Standing | Measurement:
    """Return where a campaign stands; `queue` is None where no Slurm was asked.

    Raises:
        WorkspaceError: its charter is damaged.
    """
    if "search" not in seen.charter.config:
        return _measurement(seen, queue)
    workspace, charter = seen.workspace, seen.charter
    epochs, per_epoch = size_of(charter)
    metric = charter.metric
    ideas = {idea.id: idea for idea in read_records(workspace.ledger, Idea)}
    found = outcomes_of(read_records(workspace.ledger, OutcomeRow))
    outcomes, seeds = settled(found), seeds_of(found)
    own = {key: outcome for key, outcome in outcomes.items() if key != BASELINE}
    compared = {one.idea.id: one for one in best_ideas(ideas, outcomes, metric, len(ideas))}
    screens = read_records(workspace.ledger, Screening)
    baseline, learning = outcomes.get(BASELINE), _learning(seen, queue)
    left = left_by(charter, metric, ideas.values(), found, screens)
    updates_left = learning.updates_left if learning else 0
    state, why = _state(workspace, is_complete=not left.most_runs and not updates_left)
    if isinstance(baseline, Failed):
        why = f"the unmodified codebase failed ({baseline.reason}): start another one"
        state = State.ENDED
    if any(one.idea_id == BASELINE and one.status != SCORED for one in screens):
        why = "the unmodified codebase has no score in the screen: start another one"
        state = State.ENDED
    if charter.is_imported:
        state, why = State.IMPORTED, "measured elsewhere, not by airr"
    return Standing(
        name=workspace.name,
        state=state,
        why=why,
        env=charter.setting("env.name", str),
        epoch=max((idea.epoch for idea in ideas.values()), default=0),
        epochs_wanted=max([epochs, *(idea.epoch + 1 for idea in ideas.values())]),
        ideas=len(ideas),
        ideas_wanted=epochs * per_epoch,
        scored=sum(isinstance(outcome, Scored) for outcome in own.values()),
        fates=_fates(ideas, own, compared),
        failures={str(reason): count for reason, count in failures(own).most_common()},
        dropped={str(reason): count for reason, count in dropped(own).most_common()},
        withheld={one.idea_id: one.detail for one in withheld(own)},
        shielded=not _is_unshielded(workspace),
        open=_open(seen, queue),
        spent=spend_in(workspace.ledger),
        gpu_hours=gpu_hours_in(workspace.ledger),
        gpu_hours_to_come=gpu_hours_to_come(charter, left, updates_left),
        metric=MetricFacts(
            name=metric.name,
            unit=metric.unit,
            minimize=metric.direction is Direction.MINIMIZE,
        ),
        baseline=score_of(baseline, seeds) if isinstance(baseline, Scored) else None,
        best=_leaders(best_first(ideas, outcomes, metric)[:BEST_SHOWN], compared, ideas, seeds),
        members=records_of(trials_of(ideas.values(), outcomes), baseline, metric)
        if isinstance(baseline, Scored)
        else {},
        learning=learning,
    )


def _measurement(seen: Seen, queue: Glance | None) -> Measurement:
    workspace = seen.workspace
    rows = read_records(workspace.ledger, OutcomeRow)
    codebases = 1 + len(read_records(workspace.ledger, Idea))
    wanted = max(len(rows), codebases * seen.charter.setting("seeds", int))
    failed = failures(outcomes_of(rows))
    state, why = _state(workspace, is_complete=len(rows) == wanted)
    return Measurement(
        name=workspace.name,
        state=state,
        why=why,
        runs=len(rows),
        runs_wanted=wanted,
        scored=len(rows) - failed.total(),
        failures={str(reason): count for reason, count in failed.most_common()},
        open=_open(seen, queue),
        gpu_hours=gpu_hours_in(workspace.ledger),
    )


def _fates(
    ideas: Mapping[str, Idea], outcomes: Mapping[str, Outcome], compared: Mapping[str, Best]
) -> dict[str, int]:
    counts = Counter(fate_of(outcomes.get(idea), compared.get(idea)) for idea in ideas)
    return {fate: counts[fate] for fate in Fate}


def _leaders(
    best: Sequence[Scored],
    compared: Mapping[str, Best],
    ideas: Mapping[str, Idea],
    seeds: Mapping[str, int],
) -> tuple[Leader, ...]:
    texts = {idea.id: idea.text for idea in ideas.values()}
    return tuple(
        Leader(
            id=one.idea_id,
            title=title_of(one.idea_id, texts),
            score=score_of(one, seeds),
            gain=gain_of(compared[one.idea_id]) if one.idea_id in compared else None,
        )
        for one in best
    )


def _state(workspace: Workspace, *, is_complete: bool) -> tuple[State, str]:
    """Return whether a head is at work, the campaign is complete, or why it is not."""
    if holder := holder_of(workspace.lease):
        return State.RUNNING, str(holder)
    if is_complete:
        return State.COMPLETE, ""
    if workspace.stopped.exists():
        return State.STOPPED, workspace.stopped.read_text(encoding="utf-8")
    return State.INTERRUPTED, "the same command goes on"


def _is_unshielded(workspace: Workspace) -> bool:
    """Tell whether the last batch ran without a sandbox."""
    for name in sorted(names_in(workspace.jobs), reverse=True):
        try:
            batch = Batch.from_json((workspace.batch(name) / "batch.json").read_bytes())
        except (OSError, ValueError):
            continue  # it was taken back, or is damaged: see the head's log
        return batch.plan.sandbox == Sandbox.NONE
    return False


def _open(seen: Seen, queue: Glance | None) -> Open:
    """Return how many runs are on their way, and what the queue says of them."""
    runs = seen.open_runs
    said = None
    if queue and seen.arrays:
        said = queue.silence or describe(queue.of(seen.arrays))
    return Open(
        runs=len(runs),
        tasks=len({(run.batch.name, run.task) for run in runs}),
        beating=sum(_beats(seen.workspace, run) for run in runs),
        said=said,
        silent=bool(queue and queue.silence),
    )


def _learning(seen: Seen, queue: Glance | None) -> Learning | None:
    if "rl" not in seen.charter.config:
        return None
    names = [order.name for order in seen.orders]
    return Learning(
        updates=len(read_table(seen.workspace.ledger, "updates", ["epoch"])),
        updates_wanted=seen.charter.setting("rl.epochs", int),
        open=tuple(Path(order.folder).name for order in seen.orders),
        said=describe(queue.of(names)) if queue and not queue.silence and names else None,
    )


def _beats(workspace: Workspace, run: OpenRun) -> bool:
    """Tell whether the heartbeat of a run's worker is young."""
    try:
        beat = workspace.heartbeat(run.batch.name, run.planned.key).stat().st_mtime
    except FileNotFoundError:
        return False
    return time.time() - beat < BEATS_WITHIN_SECONDS
