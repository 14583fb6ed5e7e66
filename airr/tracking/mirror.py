"""A campaign's files -> wandb: what has not been sent yet, and then the campaign as it stands.

It may be interrupted anywhere and run again: what was sent is not sent twice, and what was sent
in part is replaced. It reads what heads and workers wrote, beside them or long after.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from airr.charter import read_charter
from airr.ledger import read_records
from airr.records import Update
from airr.reporting.projection import campaign_facts
from airr.reporting.reading import log_of, read_rows, subject_of
from airr.reporting.tree import Report
from airr.tracking.experiments import Experiments, key_of
from airr.tracking.mirrored import Destination
from airr.tracking.sent import Sent
from airr.tracking.whole import whole_of
from airr.workspace import Workspace

LOG_BYTES = 262_144
"""How much of the end of airr.log is sent."""


def mirror(workspace: Workspace, to: Destination, sent: Sent, tell: Callable[[str], object]) -> int:
    """Send what is new of a campaign; return how many experiments that were.

    Raises:
        WorkspaceError: the folder holds no campaign, or a damaged one.
        Exception: whatever wandb raises where it does not take a run.
    """
    charter, rows = read_charter(workspace), read_rows(workspace)
    new = [row for row in rows.outcomes if key_of(row).name not in sent]
    if not new:
        return 0
    from airr.tracking.sending import forget, send  # noqa: PLC0415 - imports wandb

    subject = subject_of(workspace, charter)
    experiments = Experiments.of(subject, charter.uid, rows)
    for place, row in enumerate(new, 1):
        run = experiments.run_of(row)
        log = log_of(workspace, run) if run else ""
        url = send(experiments.mirrored(row, log), to)
        sent.add(key_of(row).name)
        tell(f"{place} of {len(new)}: {key_of(row).name} {url or ''}".rstrip())
    report = Report(
        made_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        airr_version=version("airr"),
        campaigns=(campaign_facts(subject, rows),),
    )
    whole = whole_of(
        report,
        uid=charter.uid,
        settings=charter.config,
        updates=read_records(workspace.ledger, Update),
        log=_end_of(workspace.log),
    )
    if to.offline:
        forget(whole.id, to)
    tell(f"the campaign {send(whole, to) or ''}".rstrip())
    return len(new)


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
