"""The sources of Python's standard library as bytes: text that every machine has.

Candidates run on that very library. So what is scored is cut from modules that training can do
without, and which their sandbox hides from them, wherever a copy of them lies.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from shards import Text, Tokens


@dataclass(frozen=True, slots=True)
class LibraryText(Text):
    """A text whose `edition` counts up when it is cut in another way: older ones are made anew."""

    edition: int


TEXT = LibraryText(vocab_size=256, sequence_length=64, edition=2)
SOURCE = f"the standard library of Python {platform.python_version()}"
HIDDEN_LIST = "hidden.txt"  # beside the shards: what the sandbox hides, as airr's worker reads it

SKIPPED = {
    *("test", "tests", "idle_test"),
    *("site-packages", "dist-packages", "__pycache__"),
    "encodings",  # tables that repeat one another: held-out ones would be known from training
}
# Whole folders, and single modules: none is imported by torch, numpy or torchrun, nor by the
# modules of the library that these import.
HELD_OUT_FOLDERS = ("curses", "wsgiref", "xmlrpc", "xml/dom", "xml/sax")
HELD_OUT_MODULES = (
    *("aifc.py", "asynchat.py", "asyncore.py", "cgi.py", "cgitb.py", "chunk.py", "crypt.py"),
    *("ftplib.py", "http/cookiejar.py", "http/cookies.py", "imaplib.py", "imghdr.py"),
    *("mailbox.py", "mailcap.py", "modulefinder.py", "netrc.py", "nntplib.py", "pipes.py"),
    *("poplib.py", "pyclbr.py", "rlcompleter.py", "sched.py", "smtpd.py", "smtplib.py"),
    *("sndhdr.py", "sunau.py", "tabnanny.py", "telnetlib.py", "turtle.py"),
    *("urllib/robotparser.py", "wave.py", "webbrowser.py", "xdrlib.py", "zipapp.py"),
)
HELD_OUT_BYTES = 2560  # of each held-out file: many files weigh alike, no long one prevails
END_OF_FILE = b"\0"


def tokens_to_train_on() -> Tokens:
    """Return all files that are not held out."""
    return _tokens([content for name, content in _files().items() if not _is_held_out(name)])


def tokens_to_score_on() -> Tokens:
    """Return one slice of each held-out file."""
    return _tokens([_slice(name, text) for name, text in _files().items() if _is_held_out(name)])


@functools.cache
def _files() -> Mapping[str, bytes]:
    """Return the library's modules by their path in it, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = {path.relative_to(root): path for path in sorted(root.rglob("*.py"))}
    return {
        name.as_posix(): path.read_bytes()
        for name, path in paths.items()
        if not SKIPPED.intersection(name.parts)
    }


def write_hidden_list(folder: Path) -> None:
    """Say beside the shards which modules candidates must not see."""
    names = "\n".join((*HELD_OUT_FOLDERS, *HELD_OUT_MODULES))
    (folder / HIDDEN_LIST).write_text(f"{names}\n", encoding="utf-8")


def _is_held_out(name: str) -> bool:
    in_folder = any(name.startswith(f"{folder}/") for folder in HELD_OUT_FOLDERS)
    return in_folder or name in HELD_OUT_MODULES


def _slice(name: str, content: bytes) -> bytes:
    """Return HELD_OUT_BYTES of a file, from a place that its name decides."""
    start = int(_draw(f"slice: {name}") * max(0, len(content) - HELD_OUT_BYTES))
    return content[start : start + HELD_OUT_BYTES]


def _draw(text: str) -> float:
    """Return the number in [0, 1) that belongs to a text, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _tokens(parts: list[bytes]) -> Tokens:
    joined = b"".join(part + END_OF_FILE for part in parts)
    return np.frombuffer(joined, np.uint8).astype(np.uint16)
