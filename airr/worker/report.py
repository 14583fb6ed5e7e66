"""What training wrote about itself -> a few plain numbers, whatever the file is.

The file is the candidate's: any size, any kind, any content. It decides nothing.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from airr.batch import plain_numbers

REPORT = "report.json"
LIMIT_BYTES = 16_384


def read_report(path: Path) -> dict[str, float]:
    """Return the finite numbers in a JSON object of at most 16 kB; none where there is none."""
    try:
        text = _content(path)
        return plain_numbers(json.loads(text)) if len(text) <= LIMIT_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _content(path: Path) -> bytes:
    """Return the beginning of a plain file.

    A pipe is not waited for, and a link is not followed out of the candidate's folder.

    Raises:
        OSError: it is no plain file, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no plain file")
        return os.read(descriptor, LIMIT_BYTES + 1)
    finally:
        os.close(descriptor)
