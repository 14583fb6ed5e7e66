"""Every path of a campaign, and the one way in which a file is put there.

runs/<campaign>/
  campaign.yaml            the composed config, frozen
  journal.jsonl            every answer of a model, before it was used
  batches/<role>.jsonl     what was sent to models in batches, before it was
  ledger/                  the tables: manifest.json and <table>/part-*.parquet
  codebases/<idea>.zip     one patched codebase, packed
  jobs/<batch>/batch.json  what was submitted, and why; logs beside it
  inbox/<run>.json         a worker's result, until it stands in the ledger
  policy/<epoch>/          the weights of a policy that is trained, after that epoch
  stages/<stage>/          what was asked of jobs on the policy, and what they answered
  lease/<number>           whose campaign this is now
  airr.log                 what the head did
  wandb/                   what was sent to Weights & Biases, or waits for `wandb sync`
  stopped.txt              why it ended before its last epoch, until the next start
"""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airr.errors import ConfigError
from airr.records import RunKey

CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR})
"""Errors of a place where nothing can be made, of which /proc has its own."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one campaign."""

    folder: Path

    @property
    def name(self) -> str:
        """Return the campaign's name."""
        return self.folder.name

    @property
    def config(self) -> Path:
        """Return where the frozen config stands."""
        return self.folder / "campaign.yaml"

    @property
    def journal(self) -> Path:
        """Return where the answers of models are kept."""
        return self.folder / "journal.jsonl"

    @property
    def batches(self) -> Path:
        """Return the folder of what was sent to models in batches."""
        return self.folder / "batches"

    @property
    def ledger(self) -> Path:
        """Return the folder of the tables."""
        return self.folder / "ledger"

    @property
    def codebases(self) -> Path:
        """Return the folder of packed codebases."""
        return self.folder / "codebases"

    @property
    def jobs(self) -> Path:
        """Return the folder of submitted batches."""
        return self.folder / "jobs"

    @property
    def inbox(self) -> Path:
        """Return where workers put their results."""
        return self.folder / "inbox"

    @property
    def policy(self) -> Path:
        """Return the folder of a trained policy's checkpoints."""
        return self.folder / "policy"

    @property
    def stages(self) -> Path:
        """Return the folder of the jobs on the policy."""
        return self.folder / "stages"

    @property
    def lease(self) -> Path:
        """Return the folder that says whose campaign this is."""
        return self.folder / "lease"

    @property
    def log(self) -> Path:
        """Return the head's log file."""
        return self.folder / "airr.log"

    @property
    def stopped(self) -> Path:
        """Return the file that says which bound of its budget ended the campaign, if one did."""
        return self.folder / "stopped.txt"

    def codebase(self, idea_id: str) -> Path:
        """Return where the packed codebase of an idea stands."""
        return self.codebases / f"{idea_id}.zip"

    def batch(self, name: str) -> Path:
        """Return the folder of one submitted batch."""
        return self.jobs / name

    def stage(self, name: str) -> Path:
        """Return the folder of one stage of an epoch."""
        return self.stages / name

    def result(self, key: RunKey) -> Path:
        """Return where the worker of a run puts its result."""
        return self.inbox / f"{key.name}.json"

    def heartbeat(self, batch: str, key: RunKey) -> Path:
        """Return the file whose age says whether the worker of a run is alive."""
        return self.batch(batch) / f"{key.name}.alive"

    @property
    def may_hold_a_campaign(self) -> bool:
        """Tell whether a campaign.yaml is there, or nobody may look: who reads it says which."""
        try:
            return self.config.exists()
        except OSError:
            return True

    def create(self) -> None:
        """Make the folders that a campaign writes into."""
        for folder in (self.codebases, self.jobs, self.inbox, self.lease, self.ledger):
            folder.mkdir(parents=True, exist_ok=True)


def campaign_folder(root: Path, named: str) -> Path:
    """Return the folder that `campaign=` means: a path, or a name below the root."""
    return Path(named) if "/" in named else root / named


def check_writable(folder: Path, setting: str = "root") -> None:
    """Refuse a folder that a setting names, maybe still to be made, where nothing can be written.

    Where it is still to be made, another one is, and removed at once: only that tells root, and
    whoever is over a quota or in /proc, what would become of it. One that is there is not touched.

    Raises:
        ConfigError: it is so.
        OSError: the disk is full, or fails.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))
    try:
        _see_if_it_can_be_made(folder, place)
    except OSError as error:
        if error.errno not in CLOSED:
            error.filename = str(folder)
            raise
        raise ConfigError(
            f"{folder} cannot be written: nothing can be made in {place} ({error.strerror}). "
            f"Choose another {setting}=, or have it opened for writing; the same command goes on"
        ) from error


def _see_if_it_can_be_made(folder: Path, place: Path) -> None:
    if not folder.is_dir():
        probe = place / f".{folder.name}.{uuid.uuid4().hex[:8]}"
        probe.mkdir()
        probe.rmdir()
    elif not os.access(folder, os.W_OK | os.X_OK):
        is_read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        number = errno.EROFS if is_read_only else errno.EACCES
        raise OSError(number, os.strerror(number))


def write_atomically(path: Path, data: bytes) -> None:
    """Put a file in place whole or not at all, surviving a crash of the node.

    Written beside under a dot-name, fsynced, renamed within the directory, directory fsynced:
    what POSIX, NFS and Lustre all keep (no locks, no RENAME_NOREPLACE).
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        error.filename = str(path)  # no name of a moment, and a full disk tells of none
        raise
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Make a directory's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def names_in(folder: Path) -> list[str]:
    """Return the names of a folder's settled files, sorted; temporary dot-names are left out.

    Lists rather than stats: over NFS and Lustre a listing shows a new file before a stat does.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith("."))
