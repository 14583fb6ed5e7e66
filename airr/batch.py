"""What the head writes for a worker and what the worker writes back, as plain JSON.

    jobs/<batch>/batch.json    a `Batch`: written before submission, read on every node
    inbox/<run>.json           a `Result`: written by the worker, collected by the head

Standard library only: a compute node reads this before anything else is imported.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

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
class Plan:
    """How an environment's candidates are trained and scored; the same for a whole batch.

    `env_folder` is the installed environment; `train_data` is shown to candidates read-only,
    `sealed_data` to the scorer alone; `checkpoint` is relative to the run's output folder.
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
            ValueError, KeyError, TypeError: the text is torn or foreign.
        """
        raw: dict[str, Any] = json.loads(text)
        return cls(
            name=raw["name"],
            inbox=raw["inbox"],
            plan=_plan(raw["plan"]),
            pack=raw["pack"],
            runs=tuple(_planned_run(run) for run in raw["runs"]),
            exclude_nodes=tuple(raw["exclude_nodes"]),
            created_at=raw["created_at"],
        )


def _plan(raw: dict[str, Any]) -> Plan:
    rest = {name: value for name, value in raw.items() if name not in {"train", "score"}}
    return Plan(train=_command(raw["train"]), score=_command(raw["score"]), **rest)


def _command(raw: dict[str, Any]) -> Command:
    return Command(argv=tuple(raw["argv"]), environment=dict(raw["environment"]))


def _planned_run(raw: dict[str, Any]) -> PlannedRun:
    rest = {name: value for name, value in raw.items() if name != "key"}
    return PlannedRun(key=RunKey(**raw["key"]), **rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a worker found: a metric, or the stage and reason of a failure. Times are unix."""

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
            ValueError, KeyError, TypeError: the text is torn or foreign, or holds neither a
                finite metric nor a failure.
        """
        raw: dict[str, Any] = json.loads(text)
        key = RunKey(**raw.pop("key"))
        stage, reason = raw.pop("stage"), raw.pop("reason")
        if (raw["metric"] is None) is (reason is None):
            raise ValueError(f"result of {key.name} must hold a metric or a failure, not both")
        return cls(key=key, stage=stage and Stage(stage), reason=reason and Reason(reason), **raw)
