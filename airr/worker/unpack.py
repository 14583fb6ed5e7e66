"""A packed codebase -> a folder on the node's own disk, its hash checked, no path trusted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from airr.archives import BadArchive, files_in
from airr.batch import Plan, PlannedRun
from airr.records import Reason
from airr.worker.sandbox import bubblewrap_works
from airr.worker.scratch import Scratch
from airr.worker.shares import visible_gpus
from airr.worker.train import Trouble


def settle(plan: Plan, run: PlannedRun, scratch: Scratch) -> Trouble | None:
    """Put a run's codebase on this node's disk; None means that training may begin."""
    if plan.sandbox == "bubblewrap" and not bubblewrap_works():
        return Trouble(Reason.NODE_FAIL, "bubblewrap does not work on this node")
    seen = len(visible_gpus(os.environ, installed=plan.gpus))
    if seen < plan.gpus:
        lacking = f"the run takes {plan.gpus} GPUs, and the node has {seen} for it"
        return Trouble(Reason.NODE_FAIL, lacking)
    try:
        scratch.make()
        for folder in (scratch.codebase, scratch.scored):
            unpack(Path(run.codebase), run.codebase_sha256, folder)
    except BadArchive as error:
        return Trouble(Reason.TAMPERED, str(error))
    except OSError as error:
        return Trouble(Reason.NODE_FAIL, f"the node cannot unpack the codebase: {error}")
    return None


def unpack(archive: Path, sha256: str, into: Path) -> None:
    """Extract `archive` below `into`.

    Raises:
        BadArchive: the hash differs, a name leaves the folder, or it is damaged or too large.
        OSError: the archive cannot be read, or the disk is full.
    """
    data = archive.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BadArchive(f"{archive.name} has sha256 {found[:12]}, not the recorded {sha256[:12]}")
    for path, content in files_in(data):
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
