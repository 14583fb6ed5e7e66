"""What Slurm says of one array task -> what airr makes of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from airr.cluster.protocol import LIVE, TaskState, TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of squeue or sacct. An `index` of None means every task not listed apart."""

    name: str
    job_id: str
    index: int | None
    word: str
    node: str
    reason: str

    @property
    def state(self) -> TaskState:
        """Return the task's state; a word that is not known is taken for live."""
        if self.word == "PENDING" and HOPELESS.fullmatch(self.reason):
            return TaskState.UNSATISFIABLE
        if self.word == "FAILED" and self.reason in FAILED_BEFORE_START:
            return FAILED_BEFORE_START[self.reason]
        return STATES.get(self.word, TaskState.RUNNING)

    @property
    def is_live(self) -> bool:
        """Tell whether the task waits or runs."""
        return self.state in LIVE or self.word == "PENDING"

    def status(self) -> TaskStatus:
        """Return the row as the executor sees it."""
        task = f"{self.job_id}_{self.index}"
        return TaskStatus(state=self.state, job_id=task, node=self.node, detail=self.reason)


def spell_out(rows: Collection[Row], indices: Iterable[int]) -> Iterator[Row]:
    """Yield one array's rows with a row without an index repeated for each task it stands for."""
    listed = {(row.job_id, row.index) for row in rows}
    wanted = tuple(indices)
    for row in rows:
        if row.index is not None:
            yield row
            continue
        for index in wanted:
            if (row.job_id, index) not in listed:
                yield replace(row, index=index)


STATES = {
    "PENDING": TaskState.PENDING,
    "REQUEUED": TaskState.PENDING,
    "REQUEUE_FED": TaskState.PENDING,
    "REQUEUE_HOLD": TaskState.PENDING,
    "SPECIAL_EXIT": TaskState.PENDING,
    "COMPLETED": TaskState.COMPLETED,
    "FAILED": TaskState.FAILED,
    "NODE_FAIL": TaskState.NODE_FAIL,
    "BOOT_FAIL": TaskState.NODE_FAIL,
    "LAUNCH_FAILED": TaskState.NODE_FAIL,
    "PREEMPTED": TaskState.PREEMPTED,
    "TIMEOUT": TaskState.TIMEOUT,
    "DEADLINE": TaskState.TIMEOUT,
    "OUT_OF_MEMORY": TaskState.OOM,
    "CANCELLED": TaskState.CANCELLED,
}

FAILED_BEFORE_START = {
    # sbatch refused it, and the controller keeps a record all the same
    "BadConstraints": TaskState.UNSATISFIABLE,
    # the node could not start it, so the node is to blame
    "JobLaunchFailure": TaskState.NODE_FAIL,
}

HOPELESS = re.compile(
    r"BadConstraints|DependencyNeverSatisfied|ReservationDeleted"
    r"|PartitionNodeLimit|PartitionTimeLimit"
    r"|AccountNotAllowed|InvalidAccount|InvalidQOS|QOSNotAllowed"
    r"|(Assoc|QOS)Max\w*Per(Job|Node)(Limit)?|QOSMin\w+"
    r"|launch failed requeued held|JobHoldMaxRequeue"
)
"""Reasons that lie in the request itself. Limits on what a group, user or account uses at once
wait for others' jobs; drained nodes, closed partitions and holds wait for an admin."""
