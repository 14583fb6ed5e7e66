"""A real Slurm cluster of several virtual nodes on one Debian machine, for tests and developers.

    python -m tests.slurm up [--nodes 4] [--gpus 8] [--cpus 16] [--no-dbd]
    python -m tests.slurm down | status | env
    python -m tests.slurm crash-node NAME | start-node NAME
    python -m tests.slurm kill-ctld | start-ctld | freeze-ctld | thaw-ctld
    python -m tests.slurm kill-dbd | start-dbd

munge, MariaDB, slurmdbd, slurmctld and one slurmd for each node, with pretended GPUs; run it as
root. All of it lies in one folder ($AIRR_SLURM_ROOT, or /tmp/airr-slurm) with ports of its own,
listens on 127.0.0.1 alone, and goes away with `down`. Any user of the machine may submit to it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from signal import SIGCONT, SIGSTOP

from tests.slurm.cluster import VirtualCluster
from tests.slurm.configuration import Shape, node_names

DEFAULT_ROOT = "/tmp/airr-slurm"
SIZES = ("nodes", "gpus", "cpus", "memory_mb", "min_job_age")


def main() -> None:
    """Do what the command line asks."""
    options = _parse()
    cluster = VirtualCluster(options.root)
    shape = Shape(accounting=options.accounting, **{name: vars(options)[name] for name in SIZES})
    ctld = cluster.daemon("slurmctld")
    actions = {
        "up": lambda: cluster.up(shape),
        "down": cluster.down,
        "status": lambda: print(_status(cluster)),
        "env": lambda: print(_exports(cluster)),
        "crash-node": lambda: cluster.crash_node(options.node),
        "start-node": lambda: cluster.start_node(options.node),
        "kill-ctld": ctld.kill,
        "start-ctld": cluster.start_controller,
        "freeze-ctld": lambda: ctld.signal(SIGSTOP),
        "thaw-ctld": lambda: ctld.signal(SIGCONT),
        "kill-dbd": cluster.daemon("slurmdbd").kill,
        "start-dbd": cluster.start_accounting,
    }
    if options.action not in actions:
        sys.exit(f"unknown action {options.action!r}; known are {', '.join(actions)}")
    actions[options.action]()


def _status(cluster: VirtualCluster) -> str:
    nodes = [f"slurmd-{node}" for node in node_names(cluster.shape)]
    accounting = ["mariadb", "slurmdbd"] if cluster.shape.accounting else []
    lines = [
        f"{name:16} {f'up, pid {process.pid}' if process else 'down'}"
        for name in ("munged", *accounting, "slurmctld", *nodes)
        for process in (cluster.daemon(name).process(),)
    ]
    return "\n".join([*lines, cluster.run("sinfo", "-p", "gpu", "-N", "-l").stdout])


def _exports(cluster: VirtualCluster) -> str:
    return "\n".join(f"export {name}={value}" for name, value in cluster.environment.items())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.slurm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action")
    parser.add_argument("node", nargs="?", default="")
    root = Path(os.environ.get("AIRR_SLURM_ROOT", DEFAULT_ROOT))
    parser.add_argument("--root", type=Path, default=root)
    for name in SIZES:
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=getattr(Shape(), name))
    parser.add_argument("--no-dbd", dest="accounting", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
