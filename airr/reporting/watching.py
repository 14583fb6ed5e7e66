"""Where campaigns stand, over and over: a terminal is redrawn, gently, until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from airr.errors import ConfigError
from airr.reporting.looking import Looker
from airr.reporting.standing_lines import shown

EVERY_SECONDS = 10.0
"""Between two looks ..."""
IDLE_SHARE = 10
"""... or so many times what a look took, where campaigns are long: looking must stay cheap."""


def watch(looker: Looker, console: Console, sleep: Callable[[float], None] = time.sleep) -> None:
    """Show where campaigns stand until the user has seen enough.

    Raises:
        ConfigError: there is no terminal to redraw.
        WorkspaceError: as `Looker.look_at_some`.
    """
    if not console.is_terminal:
        raise ConfigError("watch=true redraws a terminal, and this is none: leave it out here")
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                begun = time.monotonic()
                standings = looker.look_at_some()
                now = Text(f"{datetime.now().astimezone():%H:%M:%S}; Ctrl-C ends", style="dim")
                live.update(Group(*map(shown, standings), now), refresh=True)
                sleep(max(EVERY_SECONDS, IDLE_SHARE * (time.monotonic() - begun)))
    except KeyboardInterrupt:
        return
