"""Runs that were ended before they came to anything -> as if they had never been submitted.

The next head submits them as if for the first time: no attempt is used up. A result that a worker
recorded before its end still counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from airr.cluster.protocol import Cluster, TaskState
from airr.errors import WorkspaceError
from airr.executor.inbox import file_away, read_inbox
from airr.executor.openruns import OpenRun, open_runs_in, withdraw
from airr.executor.results import was_stopped
from airr.lease import Lease
from airr.policy.stages import open_orders, put_down_failure
from airr.workspace import Workspace


async def let_go(cluster: Cluster, workspace: Workspace, lease: Lease) -> None:
    """Close a head's cluster, and take back what ends with that, as all does on this machine.

    Where that cannot be written down, the next head finds those runs lost, and runs them again.
    """
    ended = await cluster.close()
    if not ended:
        return
    with suppress(OSError, WorkspaceError):
        lease.check()
        runs = open_runs_in(workspace)
        were_live = [name for name, run in runs.items() if (run.batch.name, run.task) in ended]
        take_back(workspace, runs, were_live)
        for order in open_orders(workspace):
            if (order.name, 0) in ended:
                put_down_failure(order, "it was ended with its head")


def take_back(
    workspace: Workspace, runs: Mapping[str, OpenRun], were_live: Collection[str]
) -> None:
    """Withdraw what was live or cancelled, unless its result lies in the inbox.

    A worker that was ended records at most that it was told to stop: no result. To be called by
    whoever holds the lease, once nothing of those runs is live any more.
    """
    complete: set[str] = set()
    for result in read_inbox(workspace):
        name = result.key.name
        if name in were_live and was_stopped(result):
            file_away(workspace, result)
        else:
            complete.add(name)
    cancelled = {name for name, run in runs.items() if run.state is TaskState.CANCELLED}
    withdrawn = (cancelled | {*were_live} & runs.keys()) - complete
    withdraw(workspace, [runs[name] for name in sorted(withdrawn)])
