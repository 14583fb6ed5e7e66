"""What the head writes for a worker and what the worker writes back, as plain JSON.

    jobs/<batch>/batch.json    a `Batch`: written before submission, read on every node
    inbox/<run>.json           a `Result`: written by the worker, collected by the head

Standard library only: a compute node reads this before anything else is imported.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airr.curves import TENTHS, Bar, Curve, CurveOf
from airr.foreign import LAST_SECOND, as_float, is_file_name, json_in, object_in, record_of
from airr.packing import Packing
from airr.records import Reason, RunKey, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program of an environment, and what it adds to the environment variables.

    `{python}`, `{env}`, `{gpus}` and `{nodes}` in its arguments are filled in on the node; the
    argument `{rendezvous}` becomes the options by which the nodes' torchrun find each other.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Training counts the seconds until its checkpoints reach a metric, as speedruns do.

    A checkpoint reaches it from below or from above, by `minimize`; one outside of `plausible`
    ends the race without a result.
    """

    target: float
    minimize: bool
    plausible: tuple[float, float]

    def is_won_by(self, metric: float) -> bool:
        """Tell whether a checkpoint with this metric has reached the target."""
        return metric <= self.target if self.minimize else metric >= self.target


CHECKPOINTS_AT_MOST = 64
"""Of a race; 7 scorings find the first of them that reaches its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an environment's candidates are trained and scored; the same for a whole batch.

    `env_folder` is the installed environment; `train_data` is shown to candidates read-only,
    `sealed_data` to the scorer alone; `checkpoint` is relative to the run's output folder.
    `seals` are the hashes of the sealed files by folder and path (airr/seals.py). `curve` is what
    of the log is recorded; an idea's first run is ended where that is worse than `bar`.
    """

    env_folder: str
    train_data: str
    sealed_data: str
    train: Command
    score: Command
    score_settings: dict[str, Any]
    checkpoint: str
    checkpoint_limit_mb: float
    budget_seconds: float
    score_seconds: float
    nodes: int
    gpus: int
    cpus: int
    memory_gb: float
    disk_gb: float
    sandbox: str
    race: Race | None = None
    curve: CurveOf | None = None
    bar: Bar | None = None
    seals: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    @property
    def scorings(self) -> int:
        """Return how often a run is scored at most."""
        return 1 if self.race is None else 1 + CHECKPOINTS_AT_MOST.bit_length()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run of an array: a packed codebase (absolute path), and the seed it runs with."""

    key: RunKey
    seed: int
    codebase: str
    codebase_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The intent record of one job array, whose tasks have at most `pack` of the runs each.

    With a `pack` of 1 `runs[i]` is array index i; `packing` knows which it is otherwise.
    """

    name: str
    inbox: str
    plan: Plan
    pack: int
    runs: tuple[PlannedRun, ...]
    exclude_nodes: tuple[str, ...]
    created_at: float

    @property
    def packing(self) -> Packing:
        """Return which run belongs to which task."""
        return Packing(runs=len(self.runs), most=self.pack)

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Batch:
        """Return the record that `to_json` wrote.

        Raises:
            ValueError: the text is torn or foreign.
        """
        batch = record_of(cls, json_in(text))
        if batch.pack < 1 or not 0 <= batch.created_at <= LAST_SECOND:
            raise ValueError(f"{batch.pack} runs a task, of the unix second {batch.created_at:g}")
        return batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a worker found: a metric, or the stage and reason of a failure. Times are unix.

    `reported` are numbers that training told of itself, and `curve` is what its log showed: the
    candidate's own word, and no score.
    """

    key: RunKey
    batch: str
    stage: Stage | None = None
    reason: Reason | None = None
    detail: str = ""
    metric: float | None = None
    standard_error: float | None = None
    train_seconds: float = 0.0
    score_seconds: float = 0.0
    log_tail: str = ""
    scorer_version: str = ""
    reported: Mapping[str, float] = field(default_factory=dict[str, float])
    curve: Curve = field(default_factory=dict[int, float])
    node: str
    job_id: str
    started_at: float
    ended_at: float

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Result:
        """Return the record that `to_json` wrote.

        Raises:
            ValueError: the text is torn or foreign, or holds neither a finite metric nor a failure.
        """
        raw = object_in(text)
        plain = {"reported": plain_numbers(raw.get("reported")), "curve": {}}
        result = record_of(cls, raw | plain)
        if (result.metric is None) is (result.reason is None):
            raise ValueError(f"result of {result.key.name} must hold a metric or a failure")
        if not is_file_name(result.batch):
            raise ValueError(f"{result.batch[:80]!r} is no name of a batch")
        if not all(0 <= at <= LAST_SECOND for at in (result.started_at, result.ended_at)):
            raise ValueError(f"it began at {result.started_at:g} and ended at {result.ended_at:g}")
        return replace(result, curve=plain_curve(raw.get("curve")))


NUMBERS_AT_MOST = 32
NUMBER_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def plain_numbers(raw: Any) -> dict[str, float]:
    """Return the finite numbers of a JSON object, by name; whatever else it holds is left out."""
    if not isinstance(raw, dict):
        return {}
    items: dict[Any, Any] = raw
    found: dict[str, float] = {}
    for name, value in items.items():
        if len(found) == NUMBERS_AT_MOST:
            break
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if NUMBER_NAME.fullmatch(name) and is_number and math.isfinite(as_float(value)):
            found[name] = as_float(value)
    return found


def plain_curve(raw: Any) -> dict[int, float]:
    """Return a curve from a JSON object, as far as it holds one."""
    found: dict[Any, Any] = raw if isinstance(raw, dict) else {}
    return {
        tenth: as_float(value)
        for tenth in TENTHS
        if isinstance(value := found.get(str(tenth)), int | float)
        and math.isfinite(as_float(value))
    }
