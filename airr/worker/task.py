"""One run of a batch: claim, unpack, train, score, and one result, written once."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from airr.batch import Batch, Plan, PlannedRun, Result
from airr.nodelocal import lock, sweep
from airr.records import BASELINE, STOPPED, Reason, Stage
from airr.seals import broken_seal
from airr.worker.heartbeat import heartbeat
from airr.worker.race import run_race
from airr.worker.report import REPORT, read_report
from airr.worker.score import Scoring, score
from airr.worker.scratch import Scratch, scratch_of
from airr.worker.snapshots import Snapshot, Snapshots, snapshots_taken
from airr.worker.stop import Stop, stop_on_signal
from airr.worker.train import Trouble, train
from airr.worker.unpack import settle
from airr.workspace import write_atomically

SCRATCH_PREFIX = "airr-"
"""How every batch's name begins, and so every scratch folder's."""
PATIENCE_SECONDS = 120.0
"""For how long a result waits for a disk that does not take it; `cluster.time_margin` covers it."""
RETRY_SECONDS = 5.0


def run_task(batch_file: Path, index: int) -> None:
    """Run one planned run of a batch, unless another process has it or it has a result."""
    planned = batch_file.read_bytes()
    batch = Batch.from_json(planned)
    run = batch.runs[index]
    scratch = scratch_of(batch.name, index)
    record = f"{run.key.name}.json"
    sweep(SCRATCH_PREFIX)
    with lock(scratch.folder.name) as mine:
        if not mine or _has_ended(batch_file.parent / record, Path(batch.inbox) / record):
            return
        stop = stop_on_signal()
        try:
            with heartbeat(batch_file.parent / f"{run.key.name}.alive"):
                began = time.monotonic()
                result = _evaluate(batch, run, scratch, stop, _step(batch, batch_file, index))
                took = time.monotonic() - began  # the clock may have been set since it began
                result = replace(result, ended_at=result.started_at + took)
                if result.metric is not None and batch_file.read_bytes() != planned:
                    result = _failed(result, Stage.SCORE, tampered(f"{batch_file} was changed"))
            if result.reason is Reason.PREEMPTED:
                result = replace(result, reason=stop.reason)
            if not stop.silent:
                _keep_log(scratch, batch_file.parent / f"{run.key.name}.log")
                _leave(result.to_json().encode(), Path(batch.inbox) / record, stop)
        finally:
            scratch.remove()


def _has_ended(filed_away: Path, in_the_inbox: Path) -> bool:
    """Tell whether a run has its result already; the head moves it once the ledger holds it.

    That it was told to stop is none: a job that Slurm puts back into its queue starts afresh.
    """
    if filed_away.exists():
        return True
    try:
        result = Result.from_json(in_the_inbox.read_bytes())
    except FileNotFoundError:
        return False
    return result.reason not in STOPPED


def record_loss(batch: Batch, index: int, *, began: float, status: int) -> None:
    """Record that a run's worker, which began at a unix time, died and left no record itself."""
    run = batch.runs[index]
    died = f"signal {-status}" if status < 0 else f"status {status}"
    trouble = Trouble(Reason.LOST, f"the worker died with {died}: its job's log may say more")
    result_file = Path(batch.inbox) / f"{run.key.name}.json"
    if not result_file.exists():
        lost = _failed(_begun(batch, run, began), Stage.TRAIN, trouble)
        write_atomically(result_file, lost.to_json().encode())


def _step(batch: Batch, batch_file: Path, index: int) -> tuple[str, ...]:
    """Return the command of a node's part in the training, where it is a step of a Slurm job.

    A run that shares its task with others is none: see `airr.worker.pack`.
    """
    if "SLURM_JOB_ID" not in os.environ or batch.pack > 1:
        return ()
    return (sys.executable, "-m", "airr.worker.step", str(batch_file), str(index))


def _evaluate(
    batch: Batch, run: PlannedRun, scratch: Scratch, stop: Stop, step: Sequence[str]
) -> Result:
    """Return what became of a run; every failure that can be foreseen is a result."""
    plan, result = _plan_of(batch, run), _begun(batch, run, time.time())
    if broken := broken_seal(plan.seals):
        return _failed(result, Stage.TRAIN, tampered(f"before the run: {broken}"))
    if trouble := settle(plan, run, scratch):
        return _failed(result, Stage.TRAIN, trouble)
    snapshots = Snapshots(
        checkpoint=scratch.output / plan.checkpoint,
        folder=scratch.snapshots,
        limit_bytes=int(plan.checkpoint_limit_mb * 1e6),
    )
    with snapshots_taken(snapshots) if plan.race else nullcontext():
        training = train(plan, run.seed, scratch, stop, step)
    result = replace(
        result,
        train_seconds=training.seconds,
        log_tail=training.log_tail,
        reported=read_report(scratch.output / REPORT),
        curve=training.curve,
    )
    if training.trouble:
        return _failed(result, Stage.TRAIN, training.trouble)
    scoring = _scored(plan, run.seed, scratch, stop, snapshots.taken)
    result = replace(result, score_seconds=scoring.seconds, scorer_version=scoring.version)
    if isinstance(scoring.finding, Trouble):
        return _failed(result, Stage.SCORE, scoring.finding)
    if broken := broken_seal(plan.seals):
        return _failed(result, Stage.SCORE, tampered(f"after the run: {broken}"))
    return replace(
        result,
        metric=scoring.finding.metric,
        standard_error=scoring.finding.standard_error,
        ended_at=time.time(),
    )


def _plan_of(batch: Batch, run: PlannedRun) -> Plan:
    """Return the plan of a run: the baseline, and what is run again, is not ended for its curve."""
    is_first = run.key.idea_id != BASELINE and run.key.repeat == 0
    return batch.plan if is_first else replace(batch.plan, bar=None)


def _begun(batch: Batch, run: PlannedRun, began: float) -> Result:
    """Return what is known of a run when it begins."""
    return Result(
        key=run.key,
        batch=batch.name,
        node=os.environ.get("SLURMD_NODENAME") or platform.node(),
        job_id=_job_id(),
        started_at=began,
        ended_at=0.0,
    )


def _scored(
    plan: Plan, seed: int, scratch: Scratch, stop: Stop, snapshots: Sequence[Snapshot]
) -> Scoring:
    """Return the metric of the checkpoint; in a race, the seconds in which one was good enough."""
    measure = partial(score, plan, seed, scratch, stop)
    if plan.race is None:
        return measure()
    return run_race(plan.race, snapshots, scratch.output / plan.checkpoint, measure)


def _failed(result: Result, stage: Stage, trouble: Trouble) -> Result:
    return replace(
        result,
        stage=stage,
        reason=trouble.reason,
        detail=trouble.detail,
        metric=None,
        standard_error=None,
        ended_at=time.time(),
    )


def tampered(what: str) -> Trouble:
    """Return the trouble with a run whose sealed files are not those of its campaign."""
    return Trouble(Reason.TAMPERED, what)


def _keep_log(scratch: Scratch, path: Path) -> None:
    """Copy the training log to shared storage; a missing log is no reason to lose a result."""
    with suppress(OSError):
        shutil.copyfile(scratch.private / "train.log", path)


def _leave(record: bytes, path: Path, stop: Stop) -> None:
    """Write a result. Where the disk is full it is tried again: it may have cost GPU-hours.

    Raises:
        OSError: the disk did not take it in time, or before this process had to end.
    """
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            write_atomically(path, record)
        except OSError as error:
            if stop.is_set() or time.monotonic() > give_up_at:
                raise
            sys.stderr.write(f"{path} cannot be written yet: {error}\n")
            stop.wait(RETRY_SECONDS)
        else:
            return


def _job_id() -> str:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
