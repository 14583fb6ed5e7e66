"""A checkpoint -> a metric, by the environment's sealed scorer in a process of its own."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airr.batch import Plan
from airr.foreign import Foreign, content_of, object_in, record_of
from airr.records import Reason
from airr.worker.clock import Ended, Ending, Limits, LogFile, run_limited
from airr.worker.sandbox import View, candidate_environment, hidden_modules, shield
from airr.worker.scratch import Scratch, fill
from airr.worker.stop import Stop
from airr.worker.train import PROCESSES, PROCESSES_OF_A_CPU, Trouble

KEPT = ("PATH", "CUDA_VISIBLE_DEVICES")
"""What the scorer has of the worker's environment: it keeps to the GPUs of its run."""
LARGEST_REPORT = 16_000_000
"""Bytes of what a scorer reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What the sealed scorer measured."""

    metric: float
    standard_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """The scorer's finding, its version, and the seconds that it took."""

    finding: Measurement | Trouble
    version: str
    seconds: float


def score(plan: Plan, seed: int, scratch: Scratch, stop: Stop) -> Scoring:
    """Measure the saved checkpoint.

    The scorer runs outside the sandbox, from the installed environment; what it must run of the
    candidate it starts through the argv prefix it is given, in a sandbox that sees the codebase as
    it was packed and the checkpoint, read-only, and nothing else that training left.
    """
    spec = scratch.private / "score.json"
    report = scratch.private / "report.json"
    report.unlink(missing_ok=True)  # that of an earlier checkpoint
    spec.write_text(json.dumps(_spec(plan, seed, scratch, report)))
    limits = Limits(
        deadline=time.monotonic() + plan.score_seconds + 10,
        memory_bytes=int(plan.memory_gb * 2e9),
        disk_bytes=int(plan.disk_gb * 1e9),
        disk_folders=(scratch.private,),
        processes=PROCESSES + PROCESSES_OF_A_CPU * plan.cpus,
    )
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment = {**kept, **plan.score.environment}
    prefix = ("env", "-i", *(f"{name}={value}" for name, value in environment.items()))
    log = LogFile(scratch.private / "score.log")
    argv = (*prefix, *fill(plan.score.argv, plan), str(spec))
    checkpoint = scratch.output / plan.checkpoint
    trained = _identity(checkpoint)
    ended = run_limited(argv, limits=limits, log=log, stop=stop)
    finding, version = _finding(report, ended, log.tail())
    if isinstance(finding, Measurement) and _identity(checkpoint) != trained:
        changed = f"{checkpoint.name} was changed while it was scored"
        finding = Trouble(Reason.TAMPERED, changed)
    return Scoring(finding=finding, version=version, seconds=ended.seconds)


def _identity(path: Path) -> tuple[int, ...]:
    """Return what changes with every write to a file, or with another one in its place."""
    found = path.lstat()
    return found.st_ino, found.st_size, found.st_ctime_ns


def _spec(plan: Plan, seed: int, scratch: Scratch, report: Path) -> dict[str, Any]:
    return {
        "codebase": str(scratch.scored),
        "output": str(scratch.output),
        "checkpoint": str(scratch.output / plan.checkpoint),
        "sealed_data": plan.sealed_data,
        "report": str(report),
        "candidate": list(shield(plan.sandbox, _scoring_view(plan, scratch))),
        "python": sys.executable,
        "seed": seed,
        "gpus": plan.gpus,
        "seconds": plan.score_seconds,
        "settings": plan.score_settings,
    }


def _scoring_view(plan: Plan, scratch: Scratch) -> View:
    added, home = plan.train.environment, str(scratch.home)
    return View(
        readable=(plan.env_folder, str(scratch.scored), str(scratch.output / plan.checkpoint)),
        writable=(),
        temporary=(home,),
        hidden=(plan.sealed_data,),
        hidden_modules=hidden_modules(plan.sealed_data),
        folder=str(scratch.scored),
        environment=candidate_environment(os.environ, added, home=home),
        memory_bytes=int(plan.memory_gb * 1e9),
        gpus=plan.gpus,
        network=False,
    )


def _finding(report: Path, ended: Ended, log: str) -> tuple[Measurement | Trouble, str]:
    """Return what the report says, and which scorer wrote it."""
    if ended.ending is Ending.STOPPED:
        return Trouble(Reason.PREEMPTED, "the worker was told to stop while scoring"), ""
    try:
        return report_in(content_of(report, LARGEST_REPORT))
    except (OSError, ValueError) as error:
        unusable = f"the scorer left no usable report ({error}):\n{log[-2000:]}"
        return Trouble(Reason.SCORER_ERROR, unusable), ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why a candidate cannot be scored."""

    reason: Reason
    detail: str


def report_in(text: str | bytes) -> tuple[Measurement | Trouble, str]:
    """Return what a scorer's report says, and the scorer's version.

    Raises:
        ValueError: it says neither a finite metric nor why there is none.
    """
    raw = object_in(text)
    version = raw.get("scorer_version")
    if not isinstance(version, str):
        raise Foreign("it names no scorer_version")
    error = raw.get("standard_error")
    if isinstance(error, float) and math.isnan(error):
        error = None  # that of a single number: the scorer cannot tell
    if raw.get("failed") is not None:
        failure = record_of(_Failure, raw["failed"], others=True)
        return Trouble(failure.reason, failure.detail), version
    measured = record_of(Measurement, {**raw, "standard_error": error}, others=True)
    if measured.standard_error is not None and measured.standard_error < 0:
        raise Foreign(f"the standard error is {measured.standard_error}")
    return measured, version
