"""What is news, shown as it comes: a panel on a terminal, elsewhere a line for each event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager, nullcontext
from time import monotonic
from typing import Generic, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live

from airr.display.tables import duration
from airr.plain import plain

LOOK_SECONDS = 0.5
Key = TypeVar("Key", bound=Hashable)


@asynccontextmanager
async def watching(
    console: Console,
    tell: Callable[[], object],
    panel: Callable[[], RenderableType] | None = None,
) -> AsyncGenerator[None]:
    """`tell` what is new while the body runs; on a terminal keep `panel` up to date instead.

    The last look comes after the body has ended: what ended with it is told too.
    """
    live = Live(console=console, refresh_per_second=2, transient=True)
    shown = panel if console.is_terminal else None

    def look() -> None:
        live.update(shown()) if shown else tell()

    async def keep_looking() -> None:
        while True:
            look()
            await asyncio.sleep(LOOK_SECONDS)

    with live if shown else nullcontext():
        watcher = asyncio.create_task(keep_looking())
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            look()


class News(Generic[Key]):
    """Prints a line for each event, by its key, once."""

    def __init__(self, console: Console, known: Iterable[Key] = ()) -> None:
        """Begin each line with the time since now; what is `known` is no news."""
        self._console = console
        self._began = monotonic()
        self._known = set(known)
        self.told = 0

    @property
    def seconds(self) -> float:
        """Return how long ago the first line could have come."""
        return monotonic() - self._began

    def tell(self, keys: Iterable[Key], line_of: Callable[[Key], str]) -> None:
        """Print the lines of those that have not been told."""
        for key in [key for key in keys if key not in self._known]:
            self._known.add(key)
            self.told += 1
            self.say(line_of(key))

    def say(self, what: str) -> None:
        """Print anything else with its time."""
        line = f"{duration(self.seconds):>12}  {plain(what)}"
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)
