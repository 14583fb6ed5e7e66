"""What campaigns that run side by side in one process have in common."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from airr.cluster.slots import Machine, Slots
from airr.cluster.slurm_settings import SlurmSettings
from airr.config import Bench, LocalSettings
from airr.errors import ConfigError
from airr.executor.node_limit import NodeLimit
from airr.machine import gpu_count

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """This machine's slots, its preflights, and nodes of the cluster; None is no common limit."""

    slots: Slots
    preflights: asyncio.Semaphore
    nodes: NodeLimit | None


def shared_by(configs: Sequence[Bench]) -> Shared:
    """Return what campaigns of these configs share; one alone has all of it.

    Raises:
        ConfigError: they do not agree on it, or some task could never get what it needs.
    """
    here = {c.cluster.own.slots for c in configs if isinstance(c.cluster.own, LocalSettings)}
    slots = _agreed("cluster.slots", here or {0})
    preflights = _agreed("cluster.preflights", {c.cluster.preflights for c in configs})
    return Shared(
        slots=Slots(Machine(cpus=os.cpu_count() or 1, gpus=gpu_count(), slots=slots)),
        preflights=asyncio.Semaphore(preflights),
        nodes=_node_limit(configs) if len(configs) > 1 else None,
    )


def _node_limit(configs: Sequence[Bench]) -> NodeLimit | None:
    on_slurm = [c for c in configs if isinstance(c.cluster.own, SlurmSettings)]
    settings = [c.cluster.own for c in on_slurm if isinstance(c.cluster.own, SlurmSettings)]
    nodes = _agreed("cluster.max_nodes", {own.max_nodes for own in settings} or {None})
    if nodes is None:
        return None
    largest = max(on_slurm, key=lambda config: config.env.nodes).env
    if largest.nodes > nodes:
        raise ConfigError(
            f"cluster.max_nodes={nodes}, but a run of env={largest.name} takes {largest.nodes}"
        )
    from airr.cluster.slurm import Slurm  # noqa: PLC0415 - only where it is asked for

    return NodeLimit(nodes, Slurm(settings[0], os.environ).survey)


def _agreed(name: str, values: set[Value]) -> Value:
    """Return the one value that all campaigns have."""
    if len(values) > 1:
        listed = ", ".join(sorted(map(str, values)))
        raise ConfigError(
            f"{name} is {listed}: campaigns that run side by side share it, give them all the same"
        )
    (value,) = values
    return value
