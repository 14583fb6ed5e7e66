"""A campaign's files, and one look at the queue -> where it stands: what terminal and JSON show.

Beside a running head or long after it. It is asked often and must answer fast: what is only
summed up is summed up by column, and no log is read.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from airr.batch import Batch
from airr.charter import Charter, read_charter
from airr.cluster.queue import Glance, describe
from airr.cohorts import cohorts
from airr.config import Direction, Metric, Sandbox
from airr.estimates import Seeding, seeds_of, settled
from airr.executor.openruns import OpenRun, recover_open_runs
from airr.forecast import Left, hours_of, left_of, policy_hours
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
    Wanted,
    outcomes_of,
    trials_of,
)
from airr.reporting.fates import fate_of, gain_of, score_of
from airr.reporting.tree import Fate, Gain, MetricFacts, Score
from airr.researcher.bandit import Record, records_of
from airr.screens import Halving, SoFar
from airr.summary import Best, Spend, best_first, best_ideas, dropped, failures, withheld
from airr.titles import Title, title_of
from airr.totals import gpu_hours_in, spend_in
from airr.workspace import Workspace, names_in

BEST_SHOWN = 5
SIZES = ("epochs", "ideas_per_epoch")
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
    """What was read of a campaign before its queue was asked; `arrays` are what that may know."""

    workspace: Workspace
    charter: Charter
    open_runs: Sequence[OpenRun]
    orders: Sequence[Order]
    """Of the policy's jobs, where one is trained: those that may be queued or running."""

    @property
    def arrays(self) -> set[str]:
        """Return the names of the arrays that Slurm may still know of, if it is Slurm."""
        if self.charter.setting("cluster.scheduler", str) != "slurm":
            return set()
        return {run.batch.name for run in self.open_runs} | {one.name for one in self.orders}


def see(workspace: Workspace) -> Seen:
    """Return what there is to ask the queue about.

    Raises:
        WorkspaceError: the folder holds no campaign, or a damaged one.
    """
    charter = read_charter(workspace)
    ended = read_table(workspace.ledger, "runs", ["id"])["id"].to_pylist()
    open_runs = recover_open_runs(workspace, ended)
    return Seen(
        workspace=workspace,
        charter=charter,
        open_runs=[*open_runs.values()],
        orders=open_orders(workspace),
    )


def standing_of(seen: Seen, queue: Glance | None = None) -> Standing | Measurement:
    """Return where a campaign stands; `queue` is None where no Slurm was asked.

    Raises:
        WorkspaceError: its charter is damaged.
    """
    if "search" not in seen.charter.config:
        return _measurement(seen, queue)
    workspace, charter = seen.workspace, seen.charter
    epochs, per_epoch = (charter.size(f"search.{name}", least=1) for name in SIZES)
    metric = charter.metric
    ideas = {idea.id: idea for idea in read_records(workspace.ledger, Idea)}
    found = outcomes_of(read_records(workspace.ledger, OutcomeRow))
    outcomes, seeds = settled(found), seeds_of(found)
    own = {key: outcome for key, outcome in outcomes.items() if key != BASELINE}
    compared = {one.idea.id: one for one in best_ideas(ideas, outcomes, metric, len(ideas))}
    screens = read_records(workspace.ledger, Screening)
    baseline, left = outcomes.get(BASELINE), _left(charter, metric, ideas.values(), found, screens)
    learning = _learning(seen, queue)
    is_trained = learning is None or learning.updates >= learning.updates_wanted
    state, why = _state(workspace, is_complete=not left.most_runs and is_trained)
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
        gpu_hours_to_come=_to_come(charter, left) + _policy_to_come(charter, learning),
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


def _left(
    charter: Charter,
    metric: Metric,
    ideas: Collection[Idea],
    outcomes: Mapping[Wanted, Outcome],
    screens: Sequence[Screening],
) -> Left:
    """Return what is left to do by the settings that a campaign was started with."""
    seeding = Seeding(  # campaigns of before these settings had one seed of everything
        baseline_seeds=charter.size("search.baseline_seeds", 1),
        repeats=charter.size("search.repeats", 0),
        caution=charter.setting("search.caution", float),
    )
    epochs, per_epoch = (charter.size(f"search.{name}", least=1) for name in SIZES)
    return left_of(
        cohorts(epochs, per_epoch, charter.size("search.refill", 0)),
        list(ideas),
        outcomes,
        seeding=seeding,
        metric=metric,
        screen=_screen(charter, metric, screens),
    )


def _screen(charter: Charter, metric: Metric, rows: Sequence[Screening]) -> SoFar | None:
    rungs = charter.numbers("search.screen.rungs")
    if not rungs:
        return None
    promote = charter.setting("search.screen.promote", float)
    halving = Halving(rungs=rungs, promote=promote, metric=metric)
    return SoFar(halving=halving, found={(one.idea_id, one.rung): one for one in rows})


def _to_come(charter: Charter, left: Left) -> float:
    """Return the GPU-hours that are left to spend at most."""
    ordinary, screen = _sizes(charter, "env"), charter.section("search.screen.env")
    tried = _sizes(charter, "search.screen.env") if screen else ordinary
    hours = hours_of(left.most_runs, **ordinary).gpu_most
    for share, runs in zip(charter.numbers("search.screen.rungs"), left.screens, strict=True):
        shorter = {**tried, "budget_seconds": share * tried["budget_seconds"]}
        hours += hours_of(sum(runs), **shorter).gpu_most
    return hours


def _policy_to_come(charter: Charter, learning: Learning | None) -> float:
    """Return the GPU-hours that the jobs on a policy may take at most, where one is trained."""
    if learning is None:
        return 0.0
    return policy_hours(
        max(0, learning.updates_wanted - learning.updates),
        nodes=charter.size("policy.nodes"),
        gpus=charter.size("policy.gpus"),
        sample_seconds=charter.setting("policy.sample_seconds", float),
        update_seconds=charter.setting("policy.update_seconds", float),
    )


def _sizes(charter: Charter, at: str) -> dict[str, Any]:
    """Return what a run takes, by the settings of an environment."""
    return {
        "nodes": charter.size(f"{at}.nodes"),
        "gpus": charter.size(f"{at}.gpus"),
        "budget_seconds": charter.setting(f"{at}.budget_seconds", float),
        "score_seconds": charter.setting(f"{at}.score_seconds", float),
    }
