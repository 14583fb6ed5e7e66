"""airr.log of a campaign: what its head has to say, and of campaigns side by side only its own."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from airr.errors import Damaged

_present: ContextVar[Path | None] = ContextVar("present log", default=None)
"""The log of the campaign that the running task, or the task that started it, belongs to."""


def _take_warning(
    message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    """Log a warning; what is damaged is told on the screen too: somebody should look at it."""
    logging.getLogger("py.warnings").warning("%s: %s", category.__name__, message)
    if issubclass(category, Damaged):
        sys.stderr.write(f"airr: {message}\n")


@contextmanager
def logged_into(path: Path) -> Generator[None]:
    """Send what this task and those that it starts log, warnings of libraries too, to a file."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    handler.addFilter(lambda _: _present.get() == path)
    warnings.showwarning = _take_warning
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    _present.set(path)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
