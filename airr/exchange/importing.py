"""A file of trajectories -> a campaign's folder, once: what touches the disk on the way in."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airr.charter import Charter, read_charter
from airr.errors import ConfigError, WorkspaceError
from airr.exchange.files import Fault, read_rows
from airr.exchange.intake import IMPORTED, Only, config_of, metric_of, records_of, source_of
from airr.exchange.rows import Row
from airr.lease import Lease
from airr.ledger import Ledger, read_table
from airr.parsing import CAMPAIGN_NAME
from airr.records import BASELINE, OutcomeRow
from airr.workspace import Workspace, names_in, write_atomically

FAULTS_TOLD = 20


def import_file(file: Path, workspace: Workspace, only: Only, baseline: Any) -> str:
    """Make a campaign of the rows of a file; return what was done, in words.

    Rows that cannot be used are left out and named. Imported already, it is left as it is. Killed
    on the way, it is done by the same command: the ledger takes all rows in one commit.

    Raises:
        ConfigError: the file, or what is asked of it, cannot be used.
        WorkspaceError: the folder holds something else.
    """
    name = workspace.name
    if not CAMPAIGN_NAME.fullmatch(name):
        raise ConfigError(
            f"campaign={name!r} is no usable name: take letters, digits, '.', '_' and '-' (at most "
            "80), beginning with a letter or digit"
        )
    level = _baseline(baseline)
    found = [*read_rows(file)]
    faults = [one for one in found if isinstance(one, Fault)]
    rows = [one for one in found if isinstance(one, Row) and only.takes(one)]
    if not rows:
        raise ConfigError(f"import={file}: no row can be used\n{_told(faults)}".rstrip())
    source = source_of(file, _sha256(file), only, level)
    if _check_folder(workspace, source):
        return f"{workspace.folder}: {file.name} is imported already; nothing was changed"
    metric = metric_of(rows)
    records = records_of(rows, metric, level, datetime.now(UTC))
    _write(workspace, config_of(name, rows, metric, source), records)
    others = len(found) - len(faults) - len(rows)
    return "\n".join([*_summary(workspace, rows, records, others), *_told(faults).splitlines()])


def _baseline(said: Any) -> float | None:
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not said > 0:
        raise ConfigError(f"baseline={said}: take the score of the unmodified codebase, or null")
    return float(said)


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _check_folder(workspace: Workspace, source: dict[str, Any]) -> bool:
    """Tell whether the folder holds this very import, whole.

    Raises:
        WorkspaceError: it holds something else.
    """
    if not workspace.config.exists():
        if names_in(workspace.ledger) or names_in(workspace.jobs):
            raise WorkspaceError(f"{workspace.folder} holds something else: name a new campaign")
        return False
    charter = read_charter(workspace)
    before = charter.section(IMPORTED)
    if not charter.is_imported:
        raise WorkspaceError(
            f"campaign {workspace.name} is one of airr's own: import into a new one, campaign=NAME"
        )
    same = ("sha256", "only", "baseline")
    if any(before.get(key) != source[key] for key in same):
        raise WorkspaceError(
            f"campaign {workspace.name} was imported from another file ({before.get('file')}), or "
            "with another only. or baseline: import into a new one, campaign=NAME"
        )
    return len(read_table(workspace.ledger, "ideas", ["id"])) > 0


def _write(workspace: Workspace, config: dict[str, Any], records: Sequence[Any]) -> None:
    workspace.create()
    lease = Lease.acquire(workspace.lease)
    try:
        charter = Charter(
            uid=IMPORTED, airr_version=version("airr"), env_sha256=IMPORTED, config=config
        )
        write_atomically(workspace.config, charter.to_yaml().encode())
        Ledger(workspace.ledger, guard=lease.check).append(records)
    finally:
        lease.release()


def _summary(
    workspace: Workspace, rows: Sequence[Row], records: Sequence[Any], others: int
) -> list[str]:
    outcomes = [one for one in records if isinstance(one, OutcomeRow) and one.idea_id != BASELINE]
    fates = Counter(one.status for one in outcomes)
    searches = {(row.ideator_model, row.executor_model) for row in rows if row.executor_model}
    named = f"{workspace.folder.parent}/{workspace.name}"  # found from any root
    lines = [
        f"{workspace.folder}: {len(rows)} ideas imported, "
        + ", ".join(f"{count} {fate}" for fate, count in fates.items() if count),
        f"  python -m airr.report campaign={named}",
        f"  python -m airr.evolve campaign=NEW fork={named}   its best ideas, run here",
    ]
    if others:
        lines.append(f"  {others} rows are not asked for by only.")
    if len(searches) > 1:
        lines.append(
            f"  {len(searches)} pairs of models are in it, as one campaign: only.ideator= and "
            "only.executor= take one apart"
        )
    return lines


def _told(faults: Sequence[Fault]) -> str:
    """Return what is wrong with the rows left out, as many as one can read."""
    if not faults:
        return ""
    lines = [f"  row {one.number}: {one.why}" for one in faults[:FAULTS_TOLD]]
    more = len(faults) - len(lines)
    tail = [f"  and {more} more"] if more else []
    count = "1 row is" if len(faults) == 1 else f"{len(faults)} rows are"
    return "\n".join([f"{count} left out:", *lines, *tail])
