"""What the tests on a real Slurm share: settings, small arrays, and waiting for a state."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from airr.batch import Batch
from airr.cluster.protocol import JobArray, TaskState, TaskStatus
from airr.cluster.slurm import Slurm
from airr.cluster.slurm_settings import GpuDirective, SlurmSettings
from airr.executor.arrays import array_of
from tests.slurm.cluster import VirtualCluster

PLAIN = SlurmSettings(
    partition=None,
    account=None,
    qos=None,
    constraint=None,
    reservation=None,
    exclude=None,
    gpu_directive=GpuDirective.GRES,
    gres="gpu",
    cpus_per_gpu=None,
    mem="environment",
    pack=1,
    pack_wait=0.0,
    time_margin=60,
    requeue=False,
    max_nodes=None,
    mail=None,
    setup=(),
    pass_env=(),
    extra={},
)

SESSION = secrets.token_hex(3)
"""Makes names unique for ever, also on a cluster that outlives the tests."""

Tasks = Mapping[int, TaskStatus]


def backend(cluster: VirtualCluster, settings: SlurmSettings = PLAIN, **variables: str) -> Slurm:
    """Return airr's backend on this cluster, as a head with these variables would make it."""
    return Slurm(settings, os.environ | cluster.environment | variables)


def shell_array(
    name: str, folder: Path, script: str, count: int = 1, **changes: object
) -> JobArray:
    """Return an array of shell lines; `$1` is the task's index, the folder its working folder."""
    array = JobArray(
        name=f"{name}-{SESSION}",
        folder=folder,
        indices=tuple(range(count)),
        command=("/bin/sh", "-c", script, "task"),
        nodes=1,
        gpus=0,
        cpus=1,
        memory_gb=0.1,
        seconds=240,
    )
    return replace(array, **changes)  # pyright: ignore[reportArgumentType]


def worker_array(batch_file: Path) -> JobArray:
    """Return the array of a batch's runs, as the head would submit it."""
    batch = Batch.from_json(batch_file.read_bytes())
    return array_of(
        batch.plan,
        batch.packing,
        name=batch.name,
        folder=batch_file.parent,
        tasks=range(batch.packing.tasks),
    )


async def until(
    slurm: Slurm, array: JobArray, holds: Callable[[Tasks], bool], seconds: float = 30
) -> Tasks:
    """Survey one array until its tasks satisfy `holds`, and return them."""
    deadline = time.monotonic() + seconds
    while True:
        found = await slurm.survey([array])
        if found is not None and holds(found[array.name]):
            return found[array.name]
        assert time.monotonic() < deadline, f"{array.name} is still {found}"
        await asyncio.sleep(0.2)


def all_are(*states: TaskState) -> Callable[[Tasks], bool]:
    """Return the claim that every task is in one of these states."""
    return lambda tasks: all(task.state in states for task in tasks.values())
