"""Mirrored runs -> wandb's server, or its files: the one place that imports wandb."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import wandb

from airr.tracking.mirrored import Destination, History, MirroredRun

INIT_SECONDS = 30.0
"""How long a server may take to accept a run ..."""
FINISH_SECONDS = 120.0
"""... and to have taken all of it."""


def send(mirrored: MirroredRun, to: Destination) -> str | None:
    """Send one run, in place of an earlier one of the same id; return its address, if it has one.

    Raises:
        Exception: whatever wandb raises where it is not taken; nothing is said to be sent then.
    """
    run = wandb.init(
        project=to.project,
        entity=to.entity,
        id=mirrored.id,
        name=mirrored.name,
        group=mirrored.group,
        job_type=mirrored.job_type,
        notes=mirrored.notes,
        config=dict(mirrored.config),
        settings=_settings(to),
    )
    for history in mirrored.histories:
        _log(run, history)
    run.summary.update(dict(mirrored.summary))
    _put(mirrored.files, run)
    if mirrored.log:
        run.write_logs(mirrored.log)
    url = None if to.offline else run.url
    run.finish(exit_code=int(mirrored.failed))
    _tidy(Path(run.dir).parent, offline=to.offline)
    return url


def _tidy(folder: Path, *, offline: bool) -> None:
    """Remove what wandb leaves of a run: all of it, or offline what sending it takes not."""
    for left in (folder / "logs", folder / "tmp") if offline else (folder,):
        shutil.rmtree(left, ignore_errors=True)


def forget(run_id: str, to: Destination) -> None:
    """Remove what was written of a run offline: what comes next holds all of it."""
    for left in (to.folder / "wandb").glob(f"offline-run-*-{run_id}"):
        shutil.rmtree(left, ignore_errors=True)


def _settings(to: Destination) -> wandb.Settings:
    """Return what keeps wandb to what it is given: nothing of the machine, the shell or git."""
    return wandb.Settings(
        mode="offline" if to.offline else "online",
        root_dir=str(to.folder),
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
        finish_timeout_raises=True,
        silent=True,
        console="off",
        disable_git=True,
        disable_job_creation=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )


def _log(run: wandb.Run, history: History) -> None:
    """Log curves over their own step, which wandb's counter of calls is not."""
    if not history.rows:
        return
    names = dict.fromkeys(name for row in history.rows for name in row if name != history.step)
    run.define_metric(history.step, hidden=True)
    for name in names:
        run.define_metric(name, step_metric=history.step)
    for row in history.rows:
        run.log(dict(row))


def _put(files: Mapping[str, str], run: wandb.Run) -> None:
    """Have files go with a run."""
    for name, text in files.items():
        path = Path(run.dir, name)
        path.write_text(text, encoding="utf-8", errors="replace")
        run.save(str(path), base_path=run.dir, policy="end", glob=False)
