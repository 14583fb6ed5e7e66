"""A codebase -> a checkpoint, or the reason why there is none."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airr.batch import Plan
from airr.curves import Bar, Curve, Hopeless
from airr.records import Reason
from airr.worker.clock import Ended, Ending, Limits, LogFile, run_limited
from airr.worker.launch import KILLED, ended_as, srun_command
from airr.worker.rendezvous import Rendezvous
from airr.worker.sandbox import View, candidate_environment, hidden_modules, shield
from airr.worker.scratch import Scratch, fill
from airr.worker.stop import Stop

OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|MemoryError|can't allocate memory|oom_kill event|out of memory",
    re.IGNORECASE,
)
NO_SPACE = re.compile(r"No space left on device|File too large|Disk quota exceeded", re.IGNORECASE)
BEGUN = "begun"
"""The private file that says that srun has started the part of the worker's own node."""
GRACE_SECONDS = 15.0
"""What the nodes get to end their parts at the deadline, before all of them are ended at once."""
PROCESSES, PROCESSES_OF_A_CPU = 1024, 128
"""How many processes and threads a node's part may have, at all and for each CPU it asked for."""
FAREWELL_SECONDS = 10.0
"""What srun gets to end a training on all of its nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One node's part in a training; mostly, all of it. `deadline` is in unix seconds."""

    plan: Plan
    seed: int
    scratch: Scratch
    deadline: float
    rendezvous: Rendezvous | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a stage gave nothing to go on with."""

    reason: Reason
    detail: str


CUT_SHORT = {
    Ending.STOPPED: Trouble(Reason.PREEMPTED, "the worker was told to stop"),
    Ending.MEMORY: Trouble(Reason.OOM, "training was killed over its memory limit"),
    Ending.DISK: Trouble(Reason.DISK_FULL, "training was killed over its disk limit"),
    Ending.PROCESSES: Trouble(
        Reason.TOO_MANY_PROCESSES, "training was killed over its limit of processes and threads"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How training went; no trouble means that a checkpoint lies in the output folder."""

    trouble: Trouble | None
    seconds: float
    log_tail: str
    curve: Curve


def train(
    plan: Plan, seed: int, scratch: Scratch, stop: Stop, step: Sequence[str] = ()
) -> Training:
    """Train until the candidate ends or its budget does; what was saved by then counts.

    The budget counts from the launch of the candidate's first process. `step` is the command
    that carries out a node's part, on each node of this Slurm job; without it, this process does.
    """
    part = Part(plan=plan, seed=seed, scratch=scratch, deadline=time.time() + plan.budget_seconds)
    deadline = _limits(part).deadline
    log = LogFile(scratch.private / "train.log", curve=plan.curve, bar=plan.bar)
    ended = run_steps(part, step, stop, log) if step else run_part(part, stop, log)
    checkpoint = scratch.output / plan.checkpoint
    if ended.ending is Ending.HOPELESS and log.hopeless and plan.bar:
        trouble = _hopeless(log.hopeless, plan.bar)
    else:
        trouble = trouble_with_ending(ended, log.tail(), saved=os.path.lexists(checkpoint))
    if trouble is None:
        trouble = trouble_with_file(checkpoint, scratch, plan) or trouble_with_time(
            checkpoint, deadline, part.deadline
        )
    return Training(trouble=trouble, seconds=ended.seconds, log_tail=log.tail(), curve=log.curve)


def _hopeless(found: Hopeless, bar: Bar) -> Trouble:
    """Return why a training was ended for its curve."""
    told = (
        f"ended at {found.tenth} % of its steps: its best {found.value:.4g} until then was worse "
        f"than {found.bar:.4g}, the {bar.quantile:g} quantile of {bar.curves} earlier runs"
    )
    return Trouble(Reason.HOPELESS, told)


def run_part(part: Part, stop: Stop, log: LogFile | None = None) -> Ended:
    """Run the candidate on this node, within its limits."""
    plan = part.plan
    argv = (
        *shield(plan.sandbox, training_view(part)),
        *fill(plan.train.argv, plan, part.rendezvous),
    )
    return run_limited(argv, limits=_limits(part), log=log, stop=stop)


def run_steps(part: Part, step: Sequence[str], stop: Stop, log: LogFile) -> Ended:
    """Run `step` on every node of this Slurm job, this one included."""
    argv = srun_command(part.plan, (*step, f"{part.deadline:.3f}"), os.environ)
    limits, begun = _limits(part), part.scratch.private / BEGUN
    begun.unlink(missing_ok=True)
    late = replace(limits, deadline=limits.deadline + GRACE_SECONDS)
    ended = ended_as(run_limited(argv, limits=late, log=log, stop=stop, farewell=FAREWELL_SECONDS))
    if ended.ending is Ending.DEADLINE and not begun.exists():
        return replace(ended, ending=Ending.UNSTARTED)
    return ended


def _limits(part: Part) -> Limits:
    return Limits(
        deadline=time.monotonic() + part.deadline - time.time(),
        memory_bytes=int(part.plan.memory_gb * 1e9),
        disk_bytes=int(part.plan.disk_gb * 1e9),
        disk_folders=part.scratch.writable,
        processes=PROCESSES + PROCESSES_OF_A_CPU * part.plan.cpus,
    )


def training_view(part: Part) -> View:
    """Return what the training process sees: its codebase, the training data, its output."""
    plan, scratch = part.plan, part.scratch
    added = {
        **plan.train.environment,
        "AIRR_DATA": plan.train_data,
        "AIRR_OUT": str(scratch.output),
        "AIRR_SEED": str(part.seed),
        "AIRR_DEADLINE": f"{part.deadline:.3f}",
    }
    return View(
        readable=(plan.train_data,),
        writable=tuple(map(str, scratch.writable)),
        hidden=(plan.sealed_data,),
        hidden_modules=hidden_modules(plan.sealed_data),
        memory_bytes=int(plan.memory_gb * 1e9),
        folder=str(scratch.codebase),
        environment=candidate_environment(os.environ, added, home=str(scratch.home)),
        gpus=plan.gpus,
        network=plan.nodes > 1,
    )


def trouble_with_ending(ended: Ended, log_tail: str, *, saved: bool) -> Trouble | None:
    """Judge how training ended; None means that its checkpoint may be looked at."""
    if ended.ending is Ending.EXITED:
        return _trouble_with_status(ended.returncode, log_tail) if ended.returncode else None
    if ended.ending is Ending.DEADLINE:
        late = f"killed at the deadline after {ended.seconds:.1f} s with nothing saved"
        return None if saved else Trouble(Reason.OVER_BUDGET, late)
    if ended.ending is Ending.UNSTARTED:
        return Trouble(Reason.NODE_FAIL, f"a node lost the training: {_last_words(log_tail)}")
    return CUT_SHORT[ended.ending]


def _trouble_with_status(status: int, log_tail: str) -> Trouble:
    how = f"training ended with status {status}: {_last_words(log_tail)}"
    if NO_SPACE.search(log_tail):
        return Trouble(Reason.DISK_FULL, how)
    if status in KILLED or OUT_OF_MEMORY.search(log_tail):
        return Trouble(Reason.OOM, how)
    return Trouble(Reason.CRASH, how)


def trouble_with_file(checkpoint: Path, scratch: Scratch, plan: Plan) -> Trouble | None:
    """Judge the saved file by its outside: it must be a plain file of a sane size, and there."""
    try:
        found = checkpoint.lstat()
    except OSError:
        return Trouble(Reason.NO_CHECKPOINT, f"training ended without saving {checkpoint.name}")
    inside = checkpoint.resolve().is_relative_to(scratch.output.resolve())
    if not stat.S_ISREG(found.st_mode) or not inside:
        return Trouble(Reason.BAD_CHECKPOINT, f"{checkpoint.name} is no plain file")
    if found.st_size > (limit := plan.checkpoint_limit_mb) * 1e6:
        size = found.st_size / 1e6
        return Trouble(Reason.TOO_LARGE, f"{checkpoint.name}: {size:.0f} MB, over {limit:g} MB")
    return None


def trouble_with_time(checkpoint: Path, deadline: float, foreseen: float) -> Trouble | None:
    """Judge when the file was last written; `deadline` is on the monotonic clock.

    `foreseen` is the same in unix seconds, as the launch saw it coming: the file may have been
    written before or after the machine's clock was set.

    By its change time: a process can set a file's modification time, but not that one. All of the
    training is dead by now, yet between the deadline and its death it may have written.
    """
    latest = max(foreseen, time.time() + deadline - time.monotonic())
    late = checkpoint.stat().st_ctime - latest
    if late <= 0:
        return None
    told = f"{checkpoint.name} was written {late:.3f} s after the deadline: it counts as not saved"
    return Trouble(Reason.OVER_BUDGET, told)


def _last_words(log: str, lines: int = 25) -> str:
    return "\n".join(log.strip().splitlines()[-lines:])
