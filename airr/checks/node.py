"""One probe job, of the same shape as a training and through the same script, and what came back.

It waits in the queue like any job: for `patience` seconds, then it is cancelled and the rest is
known without it. However this ends, the job is gone and so are its files.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from airr.batch import Batch
from airr.checks.finding import Tell
from airr.checks.passing import missing_folders, remove_folder
from airr.checks.probe_report import (
    ANSWER_SECONDS,
    BATCH,
    ECHO,
    REPORT,
    SEEN,
    TOKEN,
    ProbeReport,
)
from airr.cluster.protocol import (
    LIVE,
    Cluster,
    JobArray,
    SubmissionUnknown,
    TaskState,
    TaskStatus,
)
from airr.cluster.queue import REASONS
from airr.config import Config
from airr.errors import ClusterError
from airr.executor.arrays import array_of
from airr.executor.plans import training_plan
from airr.foreign import object_in
from airr.packing import Packing
from airr.workspace import names_in, write_atomically

LOOK_SECONDS = 0.2
FIRST_QUERY_SECONDS = 1.0
RUN_SECONDS = 600.0
"""What the probe may take once it runs: two slow imports of torch, and slow shared folders."""
LOG_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A report, and when the head and then the node saw each other's file, each by its clock.

    `echoed_at` is None where the node did not see the head's answer in time.
    """

    report: ProbeReport
    token_sha256: str
    seen_at: float
    echoed_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """The probe left no report. `log` is the end of what it printed; "" where there is no log."""

    last: TaskStatus
    waited_seconds: float
    folder: Path
    log: str


def probe_array(config: Config, folder: Path) -> JobArray:
    """Return the array whose one task is the probe: a full one of runs, but for the command."""
    array = array_of(
        training_plan(config),
        Packing(runs=config.cluster.pack, most=config.cluster.pack),
        name=f"airr-{folder.name}",
        folder=folder,
        tasks=(0,),
    )
    command = (sys.executable, "-m", "airr.checks.probe", str(array.folder))
    return replace(array, command=command)


async def probe(
    config: Config, cluster: Cluster, *, patience: float, tell: Tell
) -> Heard | Unheard:
    """Run the probe and return what came of it; nothing of it is left.

    Raises:
        ClusterError, SubmissionLimited: the scheduler does not take it.
        OSError: the folder of campaigns cannot be written.
    """
    with _folder_below(Path(config.root).absolute()) as folder:
        array = probe_array(config, folder)
        token = secrets.token_bytes(4096)
        write_atomically(folder / TOKEN, token)
        write_atomically(folder / BATCH, _batch(config, array).to_json().encode())
        try:
            await _submit(cluster, array)
            last = await _follow(config, cluster, array, patience, tell)
            if isinstance(last, Unheard):
                return last
            seen_at = time.time()
            write_atomically(folder / SEEN, b"")
            return Heard(
                report=last,
                token_sha256=hashlib.sha256(token).hexdigest(),
                seen_at=seen_at,
                echoed_at=await _echo(folder),
            )
        finally:
            await cluster.cancel([array])
            await cluster.close()


def _batch(config: Config, array: JobArray) -> Batch:
    return Batch(
        name=array.name,
        inbox=str(array.folder),
        plan=training_plan(config),
        pack=config.cluster.pack,
        runs=(),
        exclude_nodes=(),
        created_at=time.time(),
    )


async def _submit(cluster: Cluster, array: JobArray) -> None:
    try:
        await cluster.submit(array)
    except SubmissionUnknown:
        return  # it may be queued all the same: whoever follows it will see


async def _follow(
    config: Config, cluster: Cluster, array: JobArray, patience: float, tell: Tell
) -> ProbeReport | Unheard:
    """Wait for the report; look at the queue at 1, 2, 4, 8 s and so on, up to the usual tick."""
    began = time.monotonic()
    deadline, pause, ask_at = began + patience, FIRST_QUERY_SECONDS, began
    last, ended_at = TaskStatus(state=TaskState.PENDING), 0.0
    while True:
        if REPORT in names_in(array.folder):
            return _report_in(array.folder / REPORT)
        now = time.monotonic()
        if now >= ask_at:
            found = await cluster.survey([array])
            pause = min(2 * pause, max(config.cluster.tick_seconds, FIRST_QUERY_SECONDS))
            ask_at = now + pause
            if found and found[array.name][0].state is not TaskState.GONE:
                if found[array.name][0].state is TaskState.RUNNING is not last.state:
                    deadline = now + RUN_SECONDS
                last = found[array.name][0]
            if last.state not in LIVE:
                ended_at = ended_at or now
            tell(_progress(last))
            if last.state is TaskState.UNSATISFIABLE:
                deadline = now
        # what has ended may have left a file that is still to come into sight
        if now >= deadline or (ended_at and now > ended_at + config.cluster.lost_after_seconds):
            return Unheard(
                last=last, waited_seconds=now - began, folder=array.folder, log=_log_in(array)
            )
        await asyncio.sleep(LOOK_SECONDS)


def _progress(status: TaskStatus) -> str:
    if status.state is TaskState.RUNNING:
        return f"the probe runs{f' on {status.node}' if status.node else ''}"
    if status.state is TaskState.PENDING:
        reason = REASONS.get(status.detail, status.detail)
        return f"the probe waits in the queue{f' ({reason})' if reason else ''}"
    return f"the probe has ended ({status.state}); waiting for its file"


async def _echo(folder: Path) -> float | None:
    """Return when the node saw the head's answer, by the node's clock."""
    give_up_at = time.monotonic() + ANSWER_SECONDS
    while ECHO not in names_in(folder):
        if time.monotonic() > give_up_at:
            return None
        await asyncio.sleep(LOOK_SECONDS / 4)
    return float(object_in((folder / ECHO).read_bytes())["seen_at"])


def _report_in(path: Path) -> ProbeReport:
    """Return what the node told.

    Raises:
        ClusterError: the node's airr writes other reports than this one reads.
    """
    try:
        return ProbeReport.from_json(path.read_bytes())
    except ValueError as error:
        raise ClusterError(
            f"the probe's report cannot be read ({error}): is it the same airr that the node finds?"
        ) from error


def _log_in(array: JobArray) -> str:
    """Return the end of what the job printed, on one line."""
    logs = [name for name in names_in(array.folder) if name.endswith(".log")]
    texts = [(array.folder / name).read_text(errors="replace") for name in logs]
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-LOG_LINES:])


@contextmanager
def _folder_below(root: Path) -> Generator[Path]:
    """Yield a folder that no other has, and remove it, with the root if that is new too."""
    folder = root / f"check-{secrets.token_hex(3)}"
    were_missing = missing_folders(folder)
    try:
        folder.mkdir(parents=True)
        yield folder
    finally:
        remove_folder(folder, were_missing)
