"""Which experiments have been sent where: a line for each, in a file beside wandb's own."""

from __future__ import annotations

import hashlib
from pathlib import Path


class Sent:
    """The names of what was sent to one destination. Without the file, all is sent again."""

    def __init__(self, folder: Path, destination: str) -> None:
        """Know what was sent to `destination`, a project of a server."""
        digest = hashlib.sha256(destination.encode()).hexdigest()[:8]
        self._file = folder / f"sent-{digest}.txt"
        text = self._file.read_text("utf-8", "replace") if self._file.exists() else ""
        self._names = {line for line in text.splitlines() if not line.startswith("#")}
        self._is_torn = bool(text) and not text.endswith("\n")
        self._heading = f"# sent to {destination}; without this file, all is sent again\n"

    def __contains__(self, name: object) -> bool:
        """Tell whether this was sent."""
        return name in self._names

    def add(self, name: str) -> None:
        """Note that something was sent."""
        is_new = not self._file.exists()
        with self._file.open("a", encoding="utf-8") as file:
            before = self._heading if is_new else "\n" * self._is_torn
            file.write(f"{before}{name}\n")
        self._is_torn = False
        self._names.add(name)
