"""Campaign folders -> their facts: the one place where a report touches files."""

from __future__ import annotations

import glob
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from airr.batch import Batch
from airr.charter import Charter, read_charter
from airr.config import Sandbox
from airr.errors import ConfigError, Damaged, WorkspaceError
from airr.ledger import read_records, read_tables
from airr.records import Call, Idea, OutcomeRow, Patch, Run, Screening, Update
from airr.reporting.projection import Rows, Subject, campaign_facts
from airr.reporting.tree import CampaignFacts, Report
from airr.workspace import Workspace, campaign_folder, names_in

LOG_BYTES = 262_144
"""How much is read of a training's log: its curve, and what people look at."""


def find_campaigns(root: Path, named: str | Sequence[str] | None) -> list[Workspace]:
    """Return the campaigns that `campaign=` means: names, folders, globs of either, or null: all.

    What only a glob or null found, and is no search (a measurement, another folder), is left out.

    Raises:
        WorkspaceError: a named one is not there, or is no search; or nothing was found.
    """
    wanted = [named] if isinstance(named, str) else named
    if wanted is None:
        wanted = [str(root / "*")]
    if not all(isinstance(one, str) for one in wanted):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"campaign={wanted!r}: give a name, a folder, a glob, or a list of them")
    found: dict[Path, Workspace] = {}
    for one in wanted:
        for workspace in _matches(root, one):
            found.setdefault(workspace.folder.resolve(), workspace)
    if not found:
        told = "" if named is None else f" that campaign={named} matches"
        raise WorkspaceError(
            f"no campaign below {root}{told}: start one with python -m airr.evolve"
        )
    return [*found.values()]


def _matches(root: Path, named: str) -> list[Workspace]:
    if not glob.has_magic(named):
        workspace = Workspace(campaign_folder(root, named))
        if not _is_search(read_charter(workspace)):
            raise WorkspaceError(
                f"{workspace.folder} is a measurement, and a report is made of campaigns: "
                f"python -m airr.status campaign={named} root={root} shows where it stands"
            )
        return [workspace]
    pattern = str(campaign_folder(root, named))
    folders = sorted(Path(path) for path in glob.glob(pattern))  # noqa: PTH207 - may be absolute
    workspaces = [Workspace(folder) for folder in folders]
    return [one for one in workspaces if one.may_hold_a_campaign and _is_sound_search(one)]


def _is_sound_search(workspace: Workspace) -> bool:
    """Tell whether a folder is a search that can be read; the others are not held up by it."""
    try:
        charter = read_charter(workspace)
        if not _is_search(charter):
            return False
        subject_of(workspace, charter)
        read_tables(workspace.ledger, {})
    except (WorkspaceError, OSError) as error:
        warnings.warn(f"left out: {error}", Damaged, stacklevel=2)
        return False
    return True


def _is_search(charter: Charter) -> bool:
    return "search" in charter.config


def read_report(workspaces: Iterable[Workspace], *, now: datetime, version: str) -> Report:
    """Return what campaigns' files say at this moment, beside running heads or long after them."""
    return Report(
        made_at=f"{now:%Y-%m-%d %H:%M} UTC",
        airr_version=version,
        campaigns=tuple(read_campaign(workspace) for workspace in workspaces),
    )


def read_campaign(workspace: Workspace) -> CampaignFacts:
    """Return what one campaign's files say.

    Raises:
        WorkspaceError: the folder holds no campaign, or a damaged one.
    """
    subject, rows = subject_of(workspace, read_charter(workspace)), read_rows(workspace)
    firsts = [run for run in rows.runs if run.repeat == 0]
    # that of a screen is shown where there is no other
    firsts.sort(key=lambda run: run.rung is None)
    logs = {run.idea_id: log_of(workspace, run) for run in firsts}
    return campaign_facts(subject, replace(rows, logs=logs))


def read_rows(workspace: Workspace) -> Rows:
    """Return the rows of a campaign's ledger, without the logs of its runs, which are large."""
    return Rows(
        ideas=read_records(workspace.ledger, Idea),
        patches=read_records(workspace.ledger, Patch),
        calls=read_records(workspace.ledger, Call),
        runs=read_records(workspace.ledger, Run),
        screens=read_records(workspace.ledger, Screening),
        outcomes=read_records(workspace.ledger, OutcomeRow),
        updates=read_records(workspace.ledger, Update),
        logs={},
    )


def log_of(workspace: Workspace, run: Run) -> str:
    """Return the beginning of a run's training log; nothing where it was cleared away."""
    try:
        with (workspace.batch(run.batch) / f"{run.id}.log").open("rb") as file:
            return file.read(LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def subject_of(workspace: Workspace, charter: Charter) -> Subject:
    """Return which campaign it is, and what it was to do."""
    is_trained = "rl" in charter.config
    asked = {
        "policy" if is_trained else "ideator": "policy.name" if is_trained else "llm.ideator.model",
        "implementer": "llm.implementer.model",
    }
    served = [f"{role} {charter.setting(name, str)}" for role, name in asked.items()]
    return Subject(
        name=workspace.name,
        env=charter.setting("env.name", str),
        title=charter.setting("env.title", str),
        strategy=charter.setting("search.name", str),
        models=", ".join(served),
        shielded=_is_shielded(workspace),
        epochs=charter.setting("search.epochs", int),
        ideas_per_epoch=charter.setting("search.ideas_per_epoch", int),
        metric=charter.metric,
    )


def _is_shielded(workspace: Workspace) -> bool:
    """Tell whether no batch that can be read was to run without a sandbox."""
    for name in names_in(workspace.jobs):
        try:
            batch = Batch.from_json((workspace.batch(name) / "batch.json").read_bytes())
        except (OSError, ValueError):
            continue  # it was taken back, or is damaged: see the head's log
        if batch.plan.sandbox == Sandbox.NONE:
            return False
    return True
