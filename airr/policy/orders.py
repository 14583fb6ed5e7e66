"""What the head asks of a job on the policy, and what the job answers, as plain files.

stages/<stage>/order-<n>.json     an `Order`: written before the job is submitted
stages/<stage>/failure-<n>.json   why the n-th job gave nothing
stages/<stage>/result.json        a `StageResult`: written last, once its product is in place
stages/<stage>/rollouts.parquet   the product of sampling; that of an update is policy/<epoch>
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from airr.errors import ConfigError, WorkspaceError
from airr.foreign import object_in
from airr.parsing import parse
from airr.policy.settings import Policy, Rl


class StageKind(StrEnum):
    """The jobs of an epoch that concern the policy."""

    SAMPLE = "sample"
    UPDATE = "update"


def stage_name(epoch: int, kind: StageKind) -> str:
    """Return what a stage of an epoch is called, by its folder and in the names of its jobs."""
    return f"e{epoch:02d}-{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A part of the prompt: the role that speaks, and what it says."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Rollouts of one file that an update learns from, by their places, and their advantages."""

    rollouts: str
    places: tuple[int, ...]
    advantages: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One job on the policy. Paths are absolute; `checkpoint` is null for the model as it came.

    `name` is the job's own, and unique for ever; `product` is what it puts in place.
    """

    name: str
    kind: StageKind
    folder: str
    attempt: int
    model: str
    checkpoint: str | None
    product: str
    seed: int
    count: int
    messages: tuple[Message, ...]
    lessons: tuple[Lesson, ...]
    policy: Policy
    rl: Rl

    @property
    def seconds(self) -> float:
        """Return the job's time limit."""
        return (
            self.policy.sample_seconds
            if self.kind is StageKind.SAMPLE
            else self.policy.update_seconds
        )

    @property
    def file(self) -> Path:
        """Return where this order stands."""
        return Path(self.folder) / f"order-{self.attempt}.json"

    @property
    def failure(self) -> Path:
        """Return where it is put down that this job gave nothing."""
        return Path(self.folder) / f"failure-{self.attempt}.json"

    @property
    def heartbeat(self) -> Path:
        """Return the file whose age says whether the job is alive."""
        return Path(self.folder) / f"alive-{self.attempt}"

    @property
    def log(self) -> Path:
        """Return where the job's output is kept."""
        return Path(self.folder) / f"job-{self.attempt}.log"

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self), indent=1)


def read_order(path: Path) -> Order:
    """Return the order that a head wrote; its folder is the one where it lies now.

    Raises:
        WorkspaceError: the file is torn or foreign.
    """
    order = replace(_read(Order, path), folder=str(path.parent.absolute()))
    if order.file.name != path.name:
        raise _damaged(path, ValueError(f"it is that of attempt {order.attempt}"))
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What came of a job: `numbers` by name, such as loss, entropy, kl. Times are unix."""

    started_at: float
    ended_at: float
    gpu_seconds: float
    numbers: dict[str, float] = field(default_factory=dict[str, float])

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self))


def result_in(folder: Path) -> StageResult | None:
    """Return what came of a stage, or None while it is not done.

    Raises:
        WorkspaceError: the file is torn or foreign.
    """
    path = folder / "result.json"
    return _read(StageResult, path) if path.exists() else None


def _read(kind: type[Any], path: Path) -> Any:
    try:
        return parse(kind, object_in(path.read_bytes()))
    except (ValueError, ConfigError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, why: Exception) -> WorkspaceError:
    return WorkspaceError(f"{path} is damaged ({why}): remove it, and that job is done again")
