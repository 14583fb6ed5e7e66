"""Standard output as people see it, through rich."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class Screen(Console):
    """A console that leaves it to the verb to end where nobody reads on."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise what the write raised; rich's own way ends the process here, as failed."""
        raise BrokenPipeError
