"""A job on the policy, on its node: `srun torchrun` within a time limit, and a word on its end.

    python -m airr.policy.job ORDER.json INDEX

Submitted as an array of one task; its index, 0, is appended. Run twice, it does its work twice at
worst: what it puts in place is the same, and put there whole.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from airr.nodelocal import lock
from airr.policy.orders import Order, read_order, result_in
from airr.worker.clock import Ended, Ending, Limits, LogFile, run_limited
from airr.worker.heartbeat import heartbeat
from airr.worker.rendezvous import free_port
from airr.worker.stop import stop_on_signal
from airr.workspace import write_atomically

SPARE_SECONDS = 5.0
FAREWELL_SECONDS = 10.0
NO_LIMIT = 1 << 50


def run_job(order: Order, index: int) -> int:
    """Carry out an order unless that is done, given up, or being done here; return the status."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # compute nodes have no internet: wait for no answer
    with lock(f"{order.name}-{index}") as mine:
        if not mine or result_in(Path(order.folder)) or order.failure.exists():
            return 0
        stop = stop_on_signal()
        log = LogFile(order.log)
        limits = Limits(
            deadline=time.monotonic() + order.seconds - SPARE_SECONDS,
            processes=100_000,
            memory_bytes=int(order.policy.memory_gb * 1e9),
            disk_bytes=NO_LIMIT,
            disk_folders=(),
        )
        with heartbeat(order.heartbeat):
            argv = command_of(order, os.environ)
            ended = run_limited(argv, limits=limits, log=log, stop=stop, farewell=FAREWELL_SECONDS)
        if result_in(Path(order.folder)):
            return 0
        if stop.silent:  # as if it had never begun: the next head submits it again
            order.heartbeat.unlink(missing_ok=True)
        else:
            failure = {"how": _told(ended), "log": "\n".join(log.tail().splitlines()[-40:])}
            write_atomically(order.failure, json.dumps(failure).encode())
        return 1


def command_of(order: Order, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that computes: alone, by torchrun, or by srun and torchrun."""
    policy = order.policy
    work = ("-m", "airr.policy.work", str(order.file))
    is_step = "SLURM_JOB_ID" in environment
    if not is_step and policy.gpus <= 1:
        return (sys.executable, *work)
    torchrun = (
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nnodes={policy.nodes}",
        f"--nproc-per-node={max(1, policy.gpus)}",
        *_meeting(policy.nodes, environment),
        *work,
    )
    if not is_step:
        return torchrun
    cpus = environment.get("SLURM_CPUS_PER_TASK", policy.cpus)
    srun = ("srun", f"--nodes={policy.nodes}", f"--ntasks={policy.nodes}")
    quiet = (f"--cpus-per-task={cpus}", "--kill-on-bad-exit=1", "--input=none", "--unbuffered")
    return (*srun, *quiet, *torchrun)


def _meeting(nodes: int, environment: Mapping[str, str]) -> tuple[str, ...]:
    if nodes == 1:
        return ("--standalone",)
    job = environment["SLURM_JOB_ID"]
    endpoint = f"{environment['SLURMD_NODENAME']}:{free_port(int(job))}"
    return ("--rdzv-backend=c10d", f"--rdzv-id={job}", f"--rdzv-endpoint={endpoint}")


def _told(ended: Ended) -> str:
    if ended.ending is Ending.EXITED:
        return f"it ended with status {ended.returncode}"
    return {
        Ending.DEADLINE: f"it was ended at its time limit, after {ended.seconds:.0f} s",
        Ending.MEMORY: "it was ended over its memory limit",
    }.get(ended.ending, f"it was ended ({ended.ending})")


if __name__ == "__main__":
    sys.exit(run_job(read_order(Path(sys.argv[1])), int(sys.argv[2])))
