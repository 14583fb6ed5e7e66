"""The nouns of a campaign, frozen, in the order in which they are made.

idea -> patch -> codebase -> job -> outcome. The fields of `Idea`, `Patch`, `Call`, `Run` and
`OutcomeRow` are the columns of the ledger's tables; units stand in the names.
Standard library only: the worker on a compute node reads these before torch is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from airr.errors import WorkspaceError

BASELINE = "baseline"
"""The idea id under which the unmodified codebase runs."""


class Origin(StrEnum):
    """Which request an idea answers."""

    FRESH = "fresh"
    """Asked for without showing past ideas."""
    EXPLOIT = "exploit"
    """Asked to combine and refine ideas that beat the baseline."""
    EXPLORE = "explore"
    """Asked for something unlike the past ideas shown."""
    DEBUG = "debug"
    """Asked to mend the one failed idea shown."""
    RL = "rl"
    """Sampled from a policy under training."""
    IMPORTED = "imported"
    """Read from a file, which does not say how it was asked for."""


class Stage(StrEnum):
    """Where on its way an idea failed, or was dropped."""

    IDEATE = "ideate"
    IMPLEMENT = "implement"
    PREFLIGHT = "preflight"
    QUEUE = "queue"
    SCREEN = "screen"
    TRAIN = "train"
    SCORE = "score"


class Reason(StrEnum):
    """Why an idea has no score; one word that a reader can count."""

    NO_IDEA = "no_idea"
    """The answer of a policy holds no idea in the form asked for."""
    NO_PATCH = "no_patch"
    """The answer holds no diff, or one that matches the codebase nowhere or ambiguously."""
    EMPTY_PATCH = "empty_patch"
    """The diff changes nothing."""
    LOCKED_FILE = "locked_file"
    """The diff touches a file that the environment does not open for editing."""
    ILLEGAL_PATH = "illegal_path"
    """The diff leaves the tree: `..`, an absolute path, a symlink or a special mode."""
    TOO_LARGE = "too_large"
    """The patched codebase or the checkpoint exceeds the environment's bound."""
    SYNTAX = "syntax"
    """A changed .py file does not compile."""
    REFUSED = "refused"
    """The model declined."""
    CUT_OFF = "cut_off"
    """The model's answer ended at its limit of tokens, so a part of the patch may be missing."""
    CRASH = "crash"
    """The candidate's process ended with an error."""
    OOM = "oom"
    """The candidate's process was killed for want of memory."""
    OVER_BUDGET = "over_budget"
    """The deadline ended the candidate before it had saved a checkpoint."""
    NO_CHECKPOINT = "no_checkpoint"
    """Training ended by itself, yet saved no checkpoint."""
    BAD_CHECKPOINT = "bad_checkpoint"
    """The checkpoint is no plain tensor file, or does not fit the codebase's model."""
    NOT_REACHED = "not_reached"
    """No checkpoint reached the target of a race within the budget."""
    NOT_FINITE = "not_finite"
    """The model answers with NaN or infinity."""
    NOT_CAUSAL = "not_causal"
    """The model's answer for a position depends on what follows it."""
    IMPLAUSIBLE = "implausible"
    """The metric is too good to be believed without verification."""
    OUTRANKED = "outranked"
    """Others did better in the screen, and had its full run."""
    DISK_FULL = "disk_full"
    """The candidate ran out of disk space or over its file-size limit."""
    TOO_MANY_PROCESSES = "too_many_processes"
    """The candidate was killed over its limit of processes and threads."""
    SCORER_ERROR = "scorer_error"
    """The sealed scorer itself failed; the idea is not to blame."""
    TAMPERED = "tampered"
    """A sealed file or the codebase differed from its recorded hash."""
    NODE_FAIL = "node_fail"
    """The node died or lost the job, more often than the retries allow."""
    PREEMPTED = "preempted"
    """The scheduler took the node away, more often than the retries allow."""
    TIMEOUT = "timeout"
    """The scheduler's time limit ended the job before it could record a result."""
    UNSATISFIABLE = "unsatisfiable"
    """The scheduler can never start the job: its request cannot be met."""
    LOST = "lost"
    """The job vanished without a result, more often than the retries allow."""
    CANCELLED = "cancelled"
    """Somebody cancelled the job."""
    HOPELESS = "hopeless"
    """Its curve was worse than most of earlier ones, and its training was ended early."""
    UNKNOWN = "unknown"
    """It was imported without a score, from a file that does not say why."""


STOPPED = frozenset({Reason.PREEMPTED, Reason.TIMEOUT})
"""What a worker records that was told to stop: nothing that its run came to."""

INFRASTRUCTURE = frozenset(
    {Reason.NODE_FAIL, Reason.PREEMPTED, Reason.LOST, Reason.SCORER_ERROR, Reason.TIMEOUT}
)
"""Reasons that say nothing about the idea: the run is tried again, within bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """A research idea in plain language: what to try, and which code changes it takes.

    `base` is the idea whose codebase it patches, null for the unmodified one. `island` is the
    population that it was asked for, null where there is but one. `member` is who of llm.ensemble
    was asked for it (the first is `ideator`), null where there is but one. `same_as` is an idea
    with the very same text, whose outcome counts for this one too: it is not run again.
    """

    id: str
    epoch: int
    text: str
    origin: Origin
    parents: tuple[str, ...]
    base: str | None = None
    island: int | None = None
    same_as: str | None = None
    member: str | None = None
    model: str
    thinking_tokens: int
    idea_tokens: int
    prompt_hash: str
    call_id: str
    created_at: datetime

    @property
    def place(self) -> tuple[int, int]:
        """Return the epoch, and the number within it: the order of proposing."""
        return self.epoch, int(self.id.rpartition("-i")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One attempt of the implementer: an answer, and what became of it.

    `applied` patches passed every gate. Of those written before anything ran at most one did, and
    of those that mend a crash, at most one for each crash: `mends` is the run that crashed.
    """

    idea_id: str
    sample: int
    revision: int
    mends: str | None
    applied: bool
    stage: Stage | None
    reason: Reason | None
    detail: str
    diff: str
    files_changed: int
    lines_added: int
    lines_removed: int
    preflight_seconds: float
    model: str
    call_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One answered request to a model; what it cost. `usd` is null where no price is known.

    `left_out` says what of the past its prompt had no room for.
    """

    id: str
    purpose: str
    provider: str
    model: str
    prompt_hash: str
    stop_reason: str
    left_out: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    thinking_tokens: int
    usd: float | None
    latency_seconds: float
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebase:
    """A patched baseline, packed into one archive. `path` is relative to the campaign folder."""

    idea_id: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """Which run of a codebase: `repeat` sets the seed; `attempt` counts its retries.

    `rung` is that of a screen; None is a full run.
    """

    idea_id: str
    repeat: int = 0
    attempt: int = 0
    rung: int | None = None

    @property
    def name(self) -> str:
        """Return the run's name, the same in squeue, files, ledger and logs."""
        kind = f"r{self.repeat}" if self.rung is None else f"s{self.rung}"
        return f"{self.idea_id}.{kind}.a{self.attempt}"

    @property
    def goal(self) -> RunKey:
        """Return what every attempt of it is for: its first one."""
        return replace(self, attempt=0)


Wanted = tuple[str, int]
"""(idea id, repeat): what somebody waits for, whichever attempt answers."""


class RunState(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    """The worker recorded a result, good or bad."""
    NODE_FAIL = "node_fail"
    """The node or its daemon died under the run."""
    PREEMPTED = "preempted"
    """The scheduler took the node away."""
    TIMEOUT = "timeout"
    """The scheduler's time limit ended it."""
    OOM = "oom"
    """The scheduler ended the whole job for want of memory."""
    CANCELLED = "cancelled"
    """A person or the scheduler cancelled it."""
    UNSATISFIABLE = "unsatisfiable"
    """It could never start."""
    LOST = "lost"
    """It vanished, and nobody knows why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt of a codebase on a node, once it has ended; `rung` is null for a full run.

    `stage` and `reason` are null where it gave a score. They stand here for each attempt; as the
    idea's outcome, once, stands what came of the last one. `curve` is what the log showed at each
    tenth of its steps, by percent: training's own word.
    """

    id: str
    idea_id: str
    repeat: int
    attempt: int
    rung: int | None = None
    seed: int
    codebase_sha256: str
    batch: str
    job_id: str
    node: str
    state: RunState
    stage: Stage | None
    reason: Reason | None
    detail: str
    train_seconds: float
    curve: Mapping[str, float] = field(default_factory=dict[str, float])
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime
    gpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A measured result. `metric` is the environment's own; `reward` is higher-is-better.

    `reported` is what training told of itself, by name: speed, memory. It counts nothing.
    """

    idea_id: str
    repeat: int
    attempt: int
    metric: float
    standard_error: float | None
    reward: float
    train_seconds: float
    score_seconds: float
    wall_seconds: float
    log_tail: str
    scorer_version: str
    reported: Mapping[str, float] = field(default_factory=dict[str, float])
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No result, and why. Counts as reward 0; its metric is null, never a number."""

    idea_id: str
    repeat: int
    attempt: int
    stage: Stage
    reason: Reason
    detail: str
    train_seconds: float = 0.0
    score_seconds: float = 0.0
    wall_seconds: float = 0.0
    log_tail: str = ""
    scorer_version: str = ""
    reported: Mapping[str, float] = field(default_factory=dict[str, float])
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A measured result that nobody believes yet: kept for people to see, and counting as nothing.

    It is no parent, no best idea and no reward until a verification puts a `Scored` in its place.
    """

    idea_id: str
    repeat: int
    attempt: int
    reason: Reason
    detail: str
    metric: float
    standard_error: float | None
    train_seconds: float
    score_seconds: float
    wall_seconds: float
    log_tail: str
    scorer_version: str
    reported: Mapping[str, float] = field(default_factory=dict[str, float])
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """No result, for the idea was not worth a full run, or the rest of one, beside the others.

    That is no failure of it, and no score: it is no parent.
    """

    idea_id: str
    repeat: int = 0
    attempt: int = 0
    stage: Stage
    reason: Reason
    detail: str
    train_seconds: float = 0.0
    score_seconds: float = 0.0
    wall_seconds: float = 0.0
    log_tail: str = ""
    scorer_version: str = ""
    reported: Mapping[str, float] = field(default_factory=dict[str, float])
    ended_at: datetime


Outcome = Scored | Failed | Withheld | Dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """The ledger's form of an outcome: one table, `status` says which kind it is.

    `reward` is 0 unless it is scored.
    """

    idea_id: str
    repeat: int
    attempt: int
    status: str
    stage: Stage | None
    reason: Reason | None
    detail: str
    metric: float | None
    standard_error: float | None
    reward: float
    train_seconds: float
    score_seconds: float
    wall_seconds: float
    log_tail: str
    scorer_version: str
    reported: Mapping[str, float] = field(default_factory=dict[str, float])
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """What came of a codebase at one rung of the screen, with a share of the budget.

    `metric` compares with others of the same rung alone. It is null for a failure, which is the
    outcome of the idea too; `status` is scored, failed or withheld.
    """

    idea_id: str
    rung: int
    attempt: int
    env: str
    share: float
    budget_seconds: float
    status: str
    stage: Stage | None
    reason: Reason | None
    detail: str
    metric: float | None
    standard_error: float | None
    train_seconds: float
    score_seconds: float
    wall_seconds: float
    ended_at: datetime


def is_passing(reason: Reason | None, idea_id: str) -> bool:
    """Tell whether a run that ended for this reason is tried again, within bounds.

    No campaign can do without its baseline: it is, too, where somebody cancelled its job.
    """
    return reason in INFRASTRUCTURE or (reason is Reason.CANCELLED and idea_id == BASELINE)


def how_it_ended(outcome: Failed | Withheld | Dropped) -> str:
    """Return in few words why an outcome is no score."""
    if isinstance(outcome, Withheld):
        return f"withheld, {outcome.reason}"
    return f"{outcome.reason} while {outcome.stage}"


SCORED, FAILED, WITHHELD, DROPPED = "scored", "failed", "withheld", "dropped"
KINDS: Mapping[str, type[Scored | Failed | Withheld | Dropped]] = {
    SCORED: Scored,
    FAILED: Failed,
    WITHHELD: Withheld,
    DROPPED: Dropped,
}
TOLD = {
    Scored: (True, False, False),
    Failed: (False, True, True),
    Withheld: (True, True, True),
    Dropped: (False, True, True),
}
"""Whether a row of the ledger has a metric, a reason and a stage."""


def row_of(outcome: Outcome) -> OutcomeRow:
    """Return the ledger's form of an outcome."""
    match outcome:
        case Scored():
            absent: dict[str, Any] = {"status": SCORED, "stage": None, "reason": None, "detail": ""}
        case Withheld():
            absent = {"status": WITHHELD, "stage": Stage.SCORE, "reward": 0.0}
        case Failed():
            absent = {"status": FAILED, "metric": None, "standard_error": None, "reward": 0.0}
        case Dropped():
            absent = {"status": DROPPED, "metric": None, "standard_error": None, "reward": 0.0}
    return OutcomeRow(**asdict(outcome), **absent)


def outcome_of(row: OutcomeRow) -> Outcome:
    """Return the outcome that a row of the ledger stands for.

    Raises:
        WorkspaceError: it stands for none: it is damaged, or of a newer airr.
    """
    kind = KINDS.get(row.status)
    told = (row.metric is not None, row.reason is not None, row.stage is not None)
    if kind is None or told != TOLD[kind]:
        raise WorkspaceError(
            f"the ledger holds an outcome of {row.idea_id!r:.40} that this version of airr does "
            f"not know: status {row.status!r:.40}, metric {row.metric}, reason {row.reason}"
        )
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})


def outcomes_of(rows: Iterable[OutcomeRow]) -> dict[Wanted, Outcome]:
    """Return the outcomes that rows of the ledger stand for, by idea id and repeat."""
    return {(row.idea_id, row.repeat): outcome_of(row) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What an epoch's update of a policy came to.

    `rollouts` are those that it learned from, `late` of them of the epoch before; 0 where all
    rewards were alike and nothing was to be learned. Means over all their tokens, in nats:
    `entropy` of the policy, `kl` from the model as it came, both before the update; `clipped` is
    the share of tokens whose ratio was cut off. `gpu_seconds` are those of both of its jobs.
    """

    epoch: int
    rollouts: int
    late: int
    reward_mean: float
    reward_max: float
    loss: float | None
    grad_norm: float | None
    entropy: float | None
    kl: float | None
    clipped: float | None
    tokens: int
    sample_seconds: float
    update_seconds: float
    gpu_seconds: float
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An idea and what came of it: all that a search strategy learns from."""

    idea: Idea
    outcome: Outcome


def trials_of(ideas: Iterable[Idea], outcomes: Mapping[str, Outcome]) -> tuple[Trial, ...]:
    """Return the ideas that have an outcome, with it, in the order of proposing."""
    return tuple(
        Trial(idea=idea, outcome=outcomes[idea.id])
        for idea in sorted(ideas, key=lambda idea: idea.place)
        if idea.id in outcomes
    )
