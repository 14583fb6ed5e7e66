"""What a campaign is on Weights & Biases: plain values, before anything of wandb is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Points of curves, in order; `step` is the key of each row that they are drawn over."""

    step: str
    rows: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirroredRun:
    """One run of wandb. The same `id` always stands for the same: sent again, it is replaced.

    `files` are texts by name; `log` is what its Logs tab shows; a `failed` one is shown so.
    """

    id: str
    name: str
    group: str
    job_type: str
    notes: str
    config: Mapping[str, Any]
    summary: Mapping[str, float | str]
    histories: tuple[History, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    log: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where runs are sent; `folder` gets wandb's own files, below `wandb/`."""

    offline: bool
    project: str
    entity: str | None
    folder: Path
