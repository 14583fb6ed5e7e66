"""What a task has of its node -> the equal shares of the runs that are packed into it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a task has of its node. `gpus` are names that CUDA understands: numbers or UUIDs.

    `cpus` stand in an order in which neighbours share most, as the threads of one core do. They
    are none where the task owns no CPU in particular.
    """

    gpus: tuple[str, ...]
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one run may use. It runs on any CPU of the task where `cpus` is empty."""

    gpus: tuple[str, ...]
    cpus: frozenset[int]


def share_of(holding: Holding, place: int, *, places: int, gpus: int, cpus: int) -> Share:
    """Return the share of the run at `place` of `places`, each promised `gpus` and `cpus`.

    Nobody gets more than was promised, so that a run with fewer neighbours is not measured under
    better conditions. A node that lacks GPUs lets the last places down; CPUs that are too few for
    all are divided, and shared where there is not even one for each.
    """
    each = min(cpus, len(holding.cpus) // places)
    return Share(
        gpus=holding.gpus[place * gpus : (place + 1) * gpus],
        cpus=frozenset(holding.cpus[place * each : (place + 1) * each]),
    )


def visible_gpus(environment: Mapping[str, str], installed: int) -> tuple[str, ...]:
    """Return the GPUs of a task: those that the scheduler names, or all that are `installed`."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return tuple(map(str, range(installed)))
    return tuple(name for part in named.split(",") if (name := part.strip()))


def owned_cpus(
    allowed: Sequence[int], granted: int | None, cores: Mapping[int, tuple[int, int]]
) -> tuple[int, ...]:
    """Return the CPUs that a task may divide among its runs, the threads of a core side by side.

    `allowed` are those it may run on, `granted` is how many the scheduler gave it. Where it may run
    on more, the site confines nobody, and a neighbour would choose the very same. `cores` are
    (socket, core) of each CPU.
    """
    if granted is not None and len(allowed) > granted:
        return ()
    return tuple(sorted(allowed, key=lambda cpu: (*cores.get(cpu, (0, cpu)), cpu)))
