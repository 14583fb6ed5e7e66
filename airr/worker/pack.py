"""One array task of several runs: a worker for each, side by side, each with its share of the node.

    python -m airr.worker.pack BATCH.json TASK

The workers train as their own children, not through srun as a run alone does. Steps beside each
other would have to be told their parts of the GPUs, CPUs and memory in options whose meaning
changed with Slurm 20.11 and 21.08, that depend on how the site names its GPUs, and without which
one step waits for the other while its budget runs. On one node srun adds nothing that the worker
does not do itself: it cuts shares, keeps limits, and ends what it started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from airr.batch import Batch
from airr.machine import cores_of, gpu_count
from airr.worker.clock import PR_SET_PDEATHSIG
from airr.worker.rendezvous import ATTEMPTS, STRIDE, free_port
from airr.worker.shares import Holding, Share, owned_cpus, share_of, visible_gpus
from airr.worker.task import record_loss

PASSED_ON = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})
"""What a scheduler, or a head, says to a task; its workers know what each of them means."""
HEARD = PASSED_ON | {signal.SIGCHLD}


@dataclass(frozen=True, slots=True)
class Worker:
    """The process that evaluates one run of the batch."""

    run: int
    began: float
    process: subprocess.Popen[bytes]


def run_pack(batch_file: Path, task: int) -> int:
    """Evaluate the runs of one task; return 0 if every worker ended of itself."""
    batch = Batch.from_json(batch_file.read_bytes())
    # kept from here on until they are asked for: none gets lost between two looks
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    holding = _holding()
    workers = [
        _start(batch_file, run, place, _share(batch, holding, place))
        for place, run in enumerate(batch.packing.runs_of(task))
    ]
    return _see_to_their_end(batch, workers)


def _holding() -> Holding:
    granted = os.environ.get("SLURM_CPUS_ON_NODE")
    allowed = sorted(os.sched_getaffinity(0))
    return Holding(
        gpus=visible_gpus(os.environ, gpu_count()),
        cpus=owned_cpus(allowed, int(granted) if granted else None, cores_of(allowed)),
    )


def _share(batch: Batch, holding: Holding, place: int) -> Share:
    plan = batch.plan
    return share_of(holding, place, places=batch.packing.places, gpus=plan.gpus, cpus=plan.cpus)


def _start(batch_file: Path, run: int, place: int, share: Share) -> Worker:
    job = int(os.environ.get("SLURM_JOB_ID", os.getpid()))
    added = {
        "CUDA_VISIBLE_DEVICES": ",".join(share.gpus),
        # for a training that asks for none itself; torchrun gives its processes another
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port(job + place * ATTEMPTS * STRIDE)),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "airr.worker", str(batch_file), str(run)],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **added},
        preexec_fn=_confine(share, parent=os.getpid()),  # noqa: PLW1509 - no thread runs beside it
    )
    return Worker(run, time.time(), process)


def _confine(share: Share, parent: int) -> Callable[[], None]:
    """Return what a worker does before it becomes one: it dies with the pack, and keeps its CPUs.

    What it starts in turn dies with it.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def confine() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it died before it could be told
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        if share.cpus:
            os.sched_setaffinity(0, share.cpus)

    return confine


def _see_to_their_end(batch: Batch, workers: Sequence[Worker]) -> int:
    """Pass signals on until the last worker has ended.

    A worker that dies of something else leaves no record: that is made up for at once, so that
    its run is tried again while its neighbours go on.
    """
    told, failed = False, False
    alive = [*workers]
    while alive:
        ended = [worker for worker in alive if worker.process.poll() is not None]
        alive = [worker for worker in alive if worker not in ended]
        for worker in ended:
            failed |= worker.process.returncode != 0
            if worker.process.returncode and not told:
                status = worker.process.returncode
                record_loss(batch, worker.run, began=worker.began, status=status)
        if alive and (heard := signal.sigwait(HEARD)) in PASSED_ON:
            told = True
            for worker in alive:
                worker.process.send_signal(heard)
    return int(failed)


if __name__ == "__main__":
    sys.exit(run_pack(Path(sys.argv[1]), int(sys.argv[2])))
