"""Where the processes of one training meet, as torchrun wants to be told.

Static, not c10d: c10d gives the ranks in the order of the nodes' host names, and puts rank 0,
which saves the checkpoint, on node10 rather than on node9 where the scorer looks for it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

FIRST_PORT, PORTS = 10_000, 22_000
"""Below the range from which systems give out ports by themselves (32768 on Linux)."""
ATTEMPTS, STRIDE = 100, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendezvous:
    """One node's place in a training: the `rank`-th of `nodes`; `job` tells trainings apart."""

    nodes: int
    rank: int
    address: str
    port: int
    job: str


def rendezvous_arguments(rendezvous: Rendezvous | None) -> tuple[str, ...]:
    """Return torchrun's options; on one node alone it finds a free port by itself."""
    if rendezvous is None:
        return ("--standalone",)
    return (
        f"--nnodes={rendezvous.nodes}",
        f"--node-rank={rendezvous.rank}",
        f"--master-addr={rendezvous.address}",
        f"--master-port={rendezvous.port}",
        f"--rdzv-id={rendezvous.job}",
    )


def free_port(start: int) -> int:
    """Return a port of this node that nobody listens on, looking from `start` on.

    Who looks at the same time starts elsewhere: jobs at their ids, the runs packed into one of them
    so far apart that they never try the same.

    Raises:
        OSError: none of those that are tried is free.
    """
    for attempt in range(ATTEMPTS):
        port = FIRST_PORT + (start + attempt * STRIDE) % PORTS
        with socket.socket() as probe:
            # a port whose last connection lingers is free: torchrun takes it as such
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"none of {ATTEMPTS} ports from {FIRST_PORT + start % PORTS} on is free")
