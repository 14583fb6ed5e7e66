"""A codebase -> a checkpoint, or the reason why there is none."""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from airr.batch import Plan
from airr.records import Reason
from airr.worker.clock import Ended, Ending, Limits, LogFile, Stop, run_limited
from airr.worker.launch import step_killer, step_prefix
from airr.worker.sandbox import View, candidate_environment, shield
from airr.worker.scratch import Scratch, fill

OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|MemoryError|can't allocate memory|oom_kill event|out of memory",
    re.IGNORECASE,
)
NO_SPACE = re.compile(r"No space left on device|File too large|Disk quota exceeded", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a stage gave nothing to go on with."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How training went; no trouble means that a checkpoint lies in the output folder."""

    trouble: Trouble | None
    seconds: float
    log_tail: str


def train(plan: Plan, seed: int, scratch: Scratch, stop: Stop) -> Training:
    """Train until the candidate ends or its budget does; what was saved by then counts.

    The budget counts from the launch of the candidate's first process.
    """
    view = training_view(plan, seed, scratch, deadline=time.time() + plan.budget_seconds)
    argv = (
        *step_prefix(plan, os.environ),
        *shield(plan.sandbox, view),
        *fill(plan.train.argv, plan),
    )
    limits = Limits(
        deadline=time.monotonic() + plan.budget_seconds,
        memory_bytes=int(plan.memory_gb * 1e9),
        disk_bytes=int(plan.disk_gb * 1e9),
        disk_folder=scratch.output,
    )
    log = LogFile(scratch.private / "train.log")
    kill = step_killer(os.environ)
    ended = run_limited(argv, limits=limits, log=log, stop=stop, kill=kill)
    checkpoint = scratch.output / plan.checkpoint
    trouble = trouble_with_ending(ended, log.tail(), saved=os.path.lexists(checkpoint))
    if trouble is None:
        trouble = trouble_with_file(checkpoint, plan.checkpoint_limit_mb)
    return Training(trouble=trouble, seconds=ended.seconds, log_tail=log.tail())


def training_view(plan: Plan, seed: int, scratch: Scratch, deadline: float) -> View:
    """Return what the training process sees: its codebase, the training data, its output."""
    added = {
        **plan.train.environment,
        "AIRR_DATA": plan.train_data,
        "AIRR_OUT": str(scratch.output),
        "AIRR_SEED": str(seed),
        "AIRR_DEADLINE": f"{deadline:.3f}",
    }
    return View(
        readable=(plan.train_data,),
        writable=(str(scratch.codebase), str(scratch.output), str(scratch.home)),
        folder=str(scratch.codebase),
        environment=candidate_environment(os.environ, added, home=str(scratch.home)),
        gpus=plan.gpus,
    )


def trouble_with_ending(ended: Ended, log_tail: str, *, saved: bool) -> Trouble | None:
    """Judge how training ended; None means that its checkpoint may be looked at."""
    last_words = _last_words(log_tail)
    match ended.ending:
        case Ending.STOPPED:
            return Trouble(Reason.PREEMPTED, "the worker was told to stop")
        case Ending.MEMORY:
            return Trouble(Reason.OOM, "training was killed over its memory limit")
        case Ending.DISK:
            return Trouble(Reason.DISK_FULL, "training was killed over its disk limit")
        case Ending.DEADLINE:
            late = f"killed at the deadline after {ended.seconds:.1f} s with nothing saved"
            return None if saved else Trouble(Reason.OVER_BUDGET, late)
        case Ending.EXITED:
            pass
    if ended.returncode == 0:
        return None
    how = f"training ended with status {ended.returncode}: {last_words}"
    if NO_SPACE.search(log_tail):
        return Trouble(Reason.DISK_FULL, how)
    if ended.returncode in (-9, 137) or OUT_OF_MEMORY.search(log_tail):
        return Trouble(Reason.OOM, how)
    return Trouble(Reason.CRASH, how)


def trouble_with_file(checkpoint: Path, limit_mb: float) -> Trouble | None:
    """Judge the saved file by its outside: it must be a plain file of a sane size."""
    try:
        found = checkpoint.lstat()
    except OSError:
        return Trouble(Reason.NO_CHECKPOINT, f"training ended without saving {checkpoint.name}")
    if not stat.S_ISREG(found.st_mode):
        return Trouble(Reason.BAD_CHECKPOINT, f"{checkpoint.name} is no plain file")
    if found.st_size > limit_mb * 1e6:
        size = found.st_size / 1e6
        return Trouble(Reason.TOO_LARGE, f"{checkpoint.name}: {size:.0f} MB, over {limit_mb:g} MB")
    return None


def _last_words(log: str, lines: int = 25) -> str:
    return "\n".join(log.strip().splitlines()[-lines:])
