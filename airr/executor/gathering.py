"""When codebases that are ready go out: soon where a node might idle, else in company. Pure.

Every submission costs the site an sbatch. While tasks of ours wait in the queue no node waits for
us, so what becomes ready meanwhile is gathered into one array.
"""

from __future__ import annotations


def is_time_to_submit(
    *, queued: int, coming: int, waited_seconds: float, patience_seconds: float
) -> bool:
    """Tell whether what is ready should be submitted now.

    `queued` tasks of ours wait in the queue already; `coming` codebases are still being written;
    the oldest that is ready has waited for `waited_seconds`. The patience is bounded because a
    site may give a job its priority by how long it has been queued.
    """
    return queued == 0 or coming == 0 or waited_seconds >= patience_seconds
