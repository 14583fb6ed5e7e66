"""A parser of foreign input, as something that bytes can be thrown at, and the fence around it."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airr.errors import AirrError, Damaged

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where own folders are: what is made durable there takes no time."""
VICTIM = "part-00000001-abcdef.parquet"
"""A file beside the own folder, of a name that is tempting to remove."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = frozenset(
    [
        "os.chmod",
        "os.chown",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.truncate",
        "os.utime",
    ]
)
"""Audit events that change the file system; their first two arguments may be paths."""

JSON_WORDS = (b"null", b"[]", b"{}", b"[[", b'"..":', b'"/"', b"1e400", b"NaN", b"-1", b"true")
YAML_WORDS = (
    b"&a ", b"*a", b"!!python/object:x ", b"!!int ''", b"!!timestamp x", b"2026-13-45", b"0x_",
    b"<<: ", b"? ", b"- ", b": ", b"[", b"{", b"|\n ", b"190:20:30", b".inf", b".nan", b"null",
)  # fmt: skip
"""Pieces of JSON and of YAML that are not what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One kind of foreign input and the functions of airr that read it.

    `read` takes any bytes. It returns, or raises one of `refusals`; whatever else it raises is a
    defect. `seeds` are inputs that it takes; `words` are pieces that this kind of input is made of.
    `reads` are the functions that it stands for, by their dotted names.
    """

    name: str
    reads: tuple[str, ...]
    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    refusals: tuple[type[Exception], ...] = (AirrError,)
    words: tuple[bytes, ...] = ()

    def __call__(self, data: bytes) -> bool:
        """Tell whether the input was taken, and not refused.

        Raises:
            Escaped: something outside of the target's own folder was changed.
            Exception: any other defect.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Damaged)  # what is told and done without
            try:
                self.read(data)
            except self.refusals:
                return False
        return True


class Refused(Exception):
    """An input was refused in a way that has no type of its own here."""


class Escaped(BaseException):
    """A parser wrote outside of its folder; no handler of the code under test may swallow it."""


_inside: Path | None = None
_is_watching = False


@contextmanager
def own_folder() -> Generator[Path]:
    """Yield an empty folder; to change anything outside of it raises `Escaped` meanwhile."""
    global _inside  # noqa: PLW0603 - an audit hook has no other way to know
    _watch()
    with tempfile.TemporaryDirectory(prefix="airr-fuzz-", dir=MEMORY) as made:
        (Path(made) / VICTIM).write_bytes(b"somebody else's")
        folder = Path(made) / "own"
        folder.mkdir()
        _inside = folder
        try:
            yield folder
        finally:
            _inside = None


def _watch() -> None:
    global _is_watching  # noqa: PLW0603 - an audit hook stays for good
    if not _is_watching:
        _is_watching = True
        sys.addaudithook(_seen)


def _seen(event: str, arguments: tuple[Any, ...]) -> None:
    if _inside is None:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes) and isinstance(flags, int) and flags & WRITES:
            _check(path, _inside)
    elif event in CHANGES:
        for path in arguments[:2]:
            if isinstance(path, str | bytes):
                _check(path, _inside)


def _check(path: str | bytes, inside: Path) -> None:
    real = os.path.realpath(os.fsdecode(path))
    is_own = Path(real).is_relative_to(os.path.realpath(inside))
    if not (is_own or real == os.devnull or "__pycache__" in real):
        raise Escaped(f"{real} was to be changed, outside of {inside}")
