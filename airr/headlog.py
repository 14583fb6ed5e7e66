"""airr.log of a campaign: what its head has to say, and of campaigns side by side only its own."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from airr.errors import Damaged
from airr.plain import plain

_present: ContextVar[Path | None] = ContextVar("present log", default=None)
"""The log of the campaign that the running task, or the task that started it, belongs to."""


class _Lines(logging.Formatter):
    """Writes what happened so that each event begins a line: what follows on others is indented.

    No text of a candidate can so look like an event, or do anything to the terminal of a reader.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = plain(record.message).strip().replace("\n", "\n    ")
        if not record.name.startswith("airr"):
            record.message = f"{record.name}: {record.message}"
        return super().formatMessage(record)


def _take_warning(
    message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    """Log a warning; what is damaged is told on the screen too: somebody should look at it."""
    logging.getLogger("py.warnings").warning("%s: %s", category.__name__, message)
    if issubclass(category, Damaged):
        sys.stderr.write(f"airr: {message}\n")


class _File(logging.FileHandler):
    """A log file whose disk may fail: the campaign matters more, and ends with its own message."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Leave out what cannot be written; an error of another kind is a defect of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file, as far as the disk lets that be."""
        with suppress(OSError):
            super().close()


@contextmanager
def logged_into(path: Path) -> Generator[None]:
    """Send what this task and those that it starts log, warnings of libraries too, to a file."""
    handler = _File(path, encoding="utf-8")
    handler.setFormatter(_Lines("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S%z"))
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
