"""What this machine has, found out without importing torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

GPU = re.compile(r"nvidia\d+")
CPUS = Path("/sys/devices/system/cpu")


def gpu_count() -> int:
    """Return how many NVIDIA GPUs this machine has."""
    return sum(1 for path in Path("/dev").glob("nvidia*") if GPU.fullmatch(path.name))


def cores_of(cpus: Iterable[int], folder: Path = CPUS) -> dict[int, tuple[int, int]]:
    """Return (socket, core) of those CPUs of which the kernel tells it.

    The threads of one core are CPUs of their own, and often numbered far apart.
    """
    found: dict[int, tuple[int, int]] = {}
    for cpu in cpus:
        topology = folder / f"cpu{cpu}" / "topology"
        try:
            socket = int((topology / "physical_package_id").read_text())
            found[cpu] = (socket, int((topology / "core_id").read_text()))
        except (OSError, ValueError):
            continue
    return found
