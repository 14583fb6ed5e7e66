"""What lives on one node's own disk: scratch folders, and locks that die with their holder.

Never on shared storage: locks across nodes are not to be trusted on NFS and Lustre.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

FLOCK = "hhqqi0q"
"""`struct flock` of 64-bit Linux: type, whence, start, length, process (fcntl(2))."""


def node_folder() -> Path:
    """Return this user's folder on the node's own disk, made private on first use."""
    folder = Path(tempfile.gettempdir()) / f"airr-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user: set TMPDIR to a folder of yours")
    return folder


@contextmanager
def lock(name: str) -> Generator[bool]:
    """Hold the node's lock of that name, or yield False if another process holds it.

    The kernel frees it however its holder ends; its children do not inherit it.
    """
    path = node_folder() / f"{name}.lock"
    while True:
        with path.open("w") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                yield False
                return
            if not _is_at(path, file.fileno()):
                continue  # its last holder removed the file between our open and our lock
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
            return


def lock_holder(name: str) -> int | None:
    """Return the process on this node that holds the lock of that name, without touching it.

    Never to be asked by the holder itself: closing the file would free its own lock (fcntl(2)).
    """
    try:
        with (node_folder() / f"{name}.lock").open("rb") as file:
            question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(file, fcntl.F_GETLK, question)
    except FileNotFoundError:
        return None
    kind, _, _, _, process = struct.unpack(FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else process


def sweep(prefix: str) -> None:
    """Remove what killed processes left: folders and locks whose lock nobody holds.

    To be called before a lock is taken: see `lock_holder`.
    """
    for path in node_folder().glob(f"{prefix}*"):
        name = path.name.removesuffix(".lock")
        if lock_holder(name) is not None:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
