"""A real Slurm for the tests: booted once a session, or the running one that is named.

Where it cannot boot, the tests that need it fail; none is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.slurm.cluster import VirtualCluster
from tests.slurm.configuration import Shape


@pytest.fixture(scope="session")
def cluster() -> Generator[VirtualCluster]:
    """Four nodes of eight pretended GPUs, with accounting; AIRR_SLURM_ROOT names a running one."""
    if root := os.environ.get("AIRR_SLURM_ROOT"):
        yield VirtualCluster(Path(root))
    else:
        yield from booted("slurm", Shape())


@pytest.fixture(scope="module")
def forgetful_cluster() -> Generator[VirtualCluster]:
    """One node whose controller forgets ended jobs at once, while accounting remembers them."""
    yield from booted("forgetful", Shape(nodes=1, min_job_age=2))


@pytest.fixture(scope="module")
def cluster_without_accounting() -> Generator[VirtualCluster]:
    """One node whose controller forgets ended jobs at once, and nobody remembers them."""
    yield from booted("unaccounted", Shape(nodes=1, min_job_age=2, accounting=False))


def booted(name: str, shape: Shape) -> Generator[VirtualCluster]:
    """Boot a cluster of this process's own, and take it down again."""
    # not under pytest's folder: its path is too long for a socket, and closed to other users
    cluster = VirtualCluster(Path(f"/tmp/airr-{name}-{os.getpid()}"))
    try:
        cluster.up(shape)
        yield cluster
    finally:
        cluster.down()
