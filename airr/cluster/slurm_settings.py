"""The settings of the Slurm backend, as they stand under `cluster` in conf/cluster/slurm.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class GpuDirective(StrEnum):
    """Which sbatch option asks for GPUs on this site."""

    GRES = "gres"
    """--gres=gpu:h100:8"""
    GPUS_PER_NODE = "gpus-per-node"
    """--gpus-per-node=h100:8"""
    NONE = "none"
    """Nothing: the partition gives whole nodes, GPUs included."""


class Memory(StrEnum):
    """What `mem` may say besides an amount."""

    ENVIRONMENT = "environment"
    """As much as the research environment states."""
    NONE = "none"
    """No --mem at all: for sites that forbid it, or give memory by CPU or GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings:
    """How jobs are asked for on one site. None leaves an option to the site's default."""

    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    reservation: str | None
    exclude: str | None
    """Nodes never to run on, as a Slurm host list: `node7,node[12-14]`."""
    gpu_directive: GpuDirective
    gres: str
    """The GPU resource's name, with its type where the site wants one: `gpu`, `gpu:h100`."""
    cpus_per_gpu: int | None
    """CPUs for each GPU of a task, in place of what the environment states."""
    mem: str
    """A `Memory`, or an amount for each node in sbatch's words: `0` for all, `480G`."""
    pack: int
    """Runs that share an array task, and with it a node: each has what the environment states."""
    pack_wait: float
    """Seconds that a run may wait for others that are being made to share its task."""
    time_margin: int
    """Seconds that a job's limit exceeds the worker's own; its warning comes halfway."""
    requeue: bool
    """Let Slurm requeue on preemption and node failure; otherwise retries are airr's."""
    max_nodes: int | None
    """Nodes that one array occupies at once; campaigns side by side share them."""
    mail: str | None
    """Address that hears of failed arrays."""
    setup: tuple[str, ...]
    """Shell lines that run on the node before the worker, such as `module load cuda`."""
    pass_env: tuple[str, ...]
    """Variables of the submitting shell that jobs get besides the harmless ones."""
    extra: dict[str, str | int | bool]
    """Any further #SBATCH option by its long name; true stands for an option without a value."""
