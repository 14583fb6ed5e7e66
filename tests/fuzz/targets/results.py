"""What comes back from nodes: records, reports, logs, and the words of a driver."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache
from pathlib import Path

from airr.batch import Batch, PlannedRun, Race, Result
from airr.checks.probe_report import ProbeReport
from airr.cluster.protocol import TaskState, TaskStatus
from airr.config import Metric
from airr.curves import CurveOf, CurveReader, bar_of, hopeless
from airr.executor.inbox import file_away, read_inbox
from airr.executor.openruns import open_runs_of, recover_open_runs
from airr.executor.plausibility import Scores
from airr.executor.results import describe_outcome, judge_result, judge_stop, run_row, was_stopped
from airr.ledger import Ledger, read_records
from airr.records import OutcomeRow, Reason, Run, RunKey, Scored, Stage, outcomes_of, row_of
from airr.reporting.curves import POINTS, curve_of
from airr.worker.gpus import Gpu, gpus_to_show
from airr.worker.report import LIMIT_BYTES, read_report
from airr.worker.score import report_in
from airr.workspace import Workspace
from tests import toy
from tests.builders import LOSS
from tests.fuzz.target import JSON_WORDS, Target, own_folder
from tests.reporting.ledgers import log_of

NAME = "airr-abc-0001"
LOSS_CURVE = CurveOf(name="loss", minimize=True)


@cache
def _batch() -> Batch:
    run = PlannedRun(
        key=RunKey(idea_id="e00-i000"), seed=0, codebase="/x.zip", codebase_sha256="0" * 64
    )
    race = Race(target=3.0, minimize=True, plausible=(1.0, 9.0))
    return Batch(
        name=NAME, inbox="/inbox", plan=toy.plan(Path("/toy"), race=race), pack=2, runs=(run,),
        exclude_nodes=("n1",), created_at=1.7e9,
    )  # fmt: skip


def _result(**fields: object) -> bytes:
    plain = Result(
        key=_batch().runs[0].key, batch=NAME, metric=2.5, standard_error=0.1, train_seconds=5.0,
        score_seconds=1.0, log_tail="step 1 loss 3.0", scorer_version="toy-1",
        reported={"tokens_per_second": 5.0}, node="n1", job_id="7_0", started_at=1.7e9,
        ended_at=1.7e9 + 60,
    )  # fmt: skip
    return dataclasses.replace(plain, **fields).to_json().encode()


def _metrics() -> tuple[Metric, ...]:
    return LOSS, dataclasses.replace(LOSS, plausible=(0.0, 1e9), jump=0.0)


def _inbox(data: bytes) -> None:
    """Do with a result what the head does: collect, judge, enter, file away."""
    with own_folder() as folder:
        workspace = Workspace(folder)
        workspace.create()
        batch = _batch()
        workspace.batch(NAME).mkdir()
        runs = open_runs_of(batch, ())
        run = next(iter(runs.values()))
        (workspace.inbox / f"{run.planned.key.name}.json").write_bytes(data)
        found = read_inbox(workspace)
        if not found:
            return
        (result,) = found
        if was_stopped(result):
            run.note(TaskStatus(state=TaskState.TIMEOUT), 1.7e9)
            run_row(run, judge_stop(result, run.status), result)
            return
        ledger = Ledger(workspace.ledger)
        for metric in _metrics():
            outcome = judge_result(result, Scores(metric))
            describe_outcome(outcome)
            ledger.append([run_row(run, outcome, result), row_of(outcome)])
        assert read_records(workspace.ledger, Run)[0].id == run.planned.key.name
        for back in outcomes_of(read_records(workspace.ledger, OutcomeRow)).values():
            assert not isinstance(back, Scored) or back.reward > 0
        file_away(workspace, result)
        assert (workspace.batch(NAME) / f"{run.planned.key.name}.json").exists()


def _planned(data: bytes) -> None:
    """Read a batch's record as the head and the node do."""
    with own_folder() as folder:
        workspace = Workspace(folder)
        workspace.batch(NAME).mkdir(parents=True)
        (workspace.batch(NAME) / "batch.json").write_bytes(data)
        for run in recover_open_runs(workspace, ()).values():
            assert run.task >= 0
            workspace.heartbeat(NAME, run.planned.key)
    Batch.from_json(data)


def _reported(data: bytes) -> None:
    with own_folder() as folder:
        path = folder / "report.json"
        path.write_bytes(data)
        found = read_report(path)
        assert len(found) <= 32
        assert not found or len(data) <= LIMIT_BYTES
        assert json.dumps(found, allow_nan=False)


def _growing_log(data: bytes) -> None:
    whole, pieces = CurveReader(LOSS_CURVE), CurveReader(LOSS_CURVE)
    whole.feed(data)
    size = 1 + len(data) % 97
    for at in range(0, len(data), size):
        pieces.feed(data[at : at + size])
    assert pieces.curve == whole.curve, "a log is the same in whatever pieces it comes"
    assert all(map(math.isfinite, whole.curve.values()))
    bar = bar_of([whole.curve], quantile=0.5, first=10, least=1, minimize=True)
    assert hopeless(whole.curve, bar, minimize=True) is None, "no curve is worse than itself"


def _curve(data: bytes) -> None:
    curve = curve_of(data.decode(errors="replace"))
    if curve:
        assert len(curve.steps) == len(curve.values) <= POINTS


def _probe_report() -> bytes:
    text = {
        "node": "n1", "job_id": "7", "written_at": 1.0, "token_sha256": "0", "rename_trouble": "",
        "unseen_folders": [], "step": {"nodes": ["n1"], "trouble": ""}, "airr_version": "0",
        "python_version": "3", "torch": {"version": "2", "gpus": ["a"], "seconds": 1.0,
        "trouble": ""}, "torch_in_sandbox": None, "has_sandbox": True, "scratch": "/tmp",
        "scratch_trouble": "", "scratch_free_bytes": 5, "cpus": 2, "memory_bytes": 5,
        "secrets": ["A_KEY"],
    }  # fmt: skip
    return json.dumps(text).encode()


def _gpus(data: bytes) -> None:
    usable = [Gpu("GPU-aaaa", "/dev/nvidia0"), Gpu("GPU-abbb", "/dev/nvidia1")]
    files = {"/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"}
    shown = gpus_to_show(data.decode(errors="replace"), usable, files)
    assert set(shown.devices) <= files, "no other device is shown"


WORDS = (*JSON_WORDS, b'"reason": "oom"', b'"metric": null')

TARGETS = (
    Target(
        name="worker_result",
        reads=("airr.batch.Result.from_json", "airr.executor.inbox.read_inbox"),
        read=_inbox,
        seeds=lambda: (
            _result(),
            _result(metric=None, standard_error=None, stage=Stage.TRAIN, reason=Reason.OOM),
            _result(metric=None, standard_error=None, stage=None, reason=Reason.PREEMPTED),
        ),
        words=WORDS,
    ),
    Target(
        name="batch_record",
        reads=("airr.batch.Batch.from_json",),
        read=_planned,
        seeds=lambda: (_batch().to_json().encode(),),
        refusals=(ValueError,),
        words=WORDS,
    ),
    Target(
        name="training_report",
        reads=("airr.worker.report.read_report", "airr.batch.plain_numbers"),
        read=_reported,
        seeds=lambda: (b'{"tokens_per_second": 5.5, "peak_memory_mb": 300, "x": "no"}',),
        words=WORDS,
    ),
    Target(
        name="scorer_report",
        reads=("airr.worker.score.report_in",),
        read=report_in,
        seeds=lambda: (
            b'{"metric": 2.5, "standard_error": 0.1, "tokens": 5, "scorer_version": "x-1"}',
            b'{"failed": {"reason": "oom", "detail": "d"}, "scorer_version": "x-1"}',
        ),
        refusals=(ValueError,),
        words=WORDS,
    ),
    Target(
        name="training_log",
        reads=("airr.reporting.curves.curve_of",),
        read=_curve,
        seeds=lambda: (log_of(20).encode(), b"iter: 5, val_loss=3.25e0\niter: 6 val_loss: nan"),
        words=(b"step 1 ", b"loss ", b"val_loss: ", b"1e999", b"nan", "\u0663".encode()),
    ),
    Target(
        name="growing_log",
        reads=("airr.curves.CurveReader",),
        read=_growing_log,
        seeds=lambda: (
            b"".join(b"step %d/200 loss %.3f\n" % (n, 5 - n / 100) for n in range(1, 201, 9)),
            b"STEP: 5/10 loss=1e9\nstep 6 / 10 loss 2e-3\n",
        ),
        words=(b"step 1/2 ", b"step 100/100 ", b"loss ", b"loss: -", b"1e308", b"nan", b"\n"),
    ),
    Target(
        name="probe_report",
        reads=("airr.checks.probe_report.ProbeReport.from_json",),
        read=ProbeReport.from_json,
        seeds=lambda: (_probe_report(),),
        refusals=(ValueError,),
        words=WORDS,
    ),
    Target(
        name="gpu_names",
        reads=("airr.worker.gpus.gpus_to_show",),
        read=_gpus,
        seeds=lambda: (b"0,1", b"GPU-aaaa", b"MIG-x/1", b""),
        words=(b",", b"GPU-", b"99", b"-1"),
    ),
)
