"""One node's part in a training, started by srun on each node of the run.

    python -m airr.worker.step BATCH.json INDEX DEADLINE [HOST PORT]

The first node is the worker's own: the codebase lies there already, and there the checkpoint is
looked for. Every other node has a copy for as long as the training takes. HOST and PORT are
where the nodes meet, if they are several.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from airr.batch import Batch
from airr.nodelocal import lock
from airr.worker.clock import Ending
from airr.worker.launch import STATUSES, status_of
from airr.worker.rendezvous import Rendezvous
from airr.worker.scratch import Scratch, scratch_of
from airr.worker.stop import stop_on_signal
from airr.worker.train import BEGUN, Part, run_part
from airr.worker.unpack import settle

LATE_SECONDS, LATE_SHARE = 30.0, 0.05
"""By how much of the budget, and at least by how much, a node may be late for its part."""


class NotHere(Exception):
    """This node cannot take its part in the training."""


def run_step(batch_file: Path, index: int, deadline: float, *meet_at: str) -> int:
    """Carry out this node's part, and return the exit status that tells how it ended."""
    batch = Batch.from_json(batch_file.read_bytes())
    rank, node = int(os.environ["SLURM_NODEID"]), os.environ["SLURMD_NODENAME"]
    stop = stop_on_signal()
    try:
        _check_time(batch.plan.budget_seconds, deadline)
        with _scratch(batch, index, node if rank else "") as scratch:
            (scratch.private / BEGUN).touch()
            part = Part(
                plan=batch.plan,
                seed=batch.runs[index].seed,
                scratch=scratch,
                deadline=deadline,
                rendezvous=_rendezvous(batch.plan.nodes, rank, *meet_at) if meet_at else None,
            )
            ended = run_part(part, stop)
    except (NotHere, OSError) as error:
        _tell(f"{node} takes no part: {error}")
        return STATUSES[Ending.UNSTARTED]
    if ended.returncode:
        _tell(f"{node}: {ended.ending} with status {ended.returncode}")
    return status_of(ended)


def _check_time(budget_seconds: float, deadline: float) -> None:
    """Refuse a part whose budget has run for a while: that Slurm is slow is no idea's fault.

    srun asks the controller for the step, and where that is down it asks again for minutes.
    """
    late = time.time() - (deadline - budget_seconds)
    if late > max(LATE_SECONDS, LATE_SHARE * budget_seconds):
        raise NotHere(f"srun started it after {late:.0f} s of a budget of {budget_seconds:g} s")


@contextmanager
def _scratch(batch: Batch, index: int, node: str) -> Generator[Scratch]:
    """Yield where the codebase lies: with the worker, or in a copy of the node that is named."""
    scratch = scratch_of(batch.name, index, node)
    if not node:
        yield scratch
        return
    with lock(scratch.folder.name) as mine:
        if not mine:
            raise NotHere("another process is at work on this very run")
        try:
            if trouble := settle(batch.plan, batch.runs[index], scratch):
                raise NotHere(trouble.detail)
            yield scratch
        finally:
            scratch.remove()


def _rendezvous(nodes: int, rank: int, host: str, port: str) -> Rendezvous:
    """Return where the nodes meet, by address: names may not be known inside the sandbox."""
    return Rendezvous(
        nodes=nodes,
        rank=rank,
        address=socket.gethostbyname(host),
        port=int(port),
        job=os.environ["SLURM_JOB_ID"],
    )


def _tell(what: str) -> None:
    sys.stdout.write(f"airr: {what}\n")


if __name__ == "__main__":
    sys.exit(run_step(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
