"""Findings as they are made: one line each, and on a terminal what is being waited for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

from rich.console import Console
from rich.text import Text

from airr.checks.everything import Section
from airr.checks.finding import Finding, Tell, Verdict
from airr.display.screen import Screen

STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}
NAME_WIDTH = 14
PROGRESS_SECONDS = 10.0
"""Between two lines of progress in a log."""

Checks = Callable[[Tell], AsyncIterator[tuple[Section, Finding]]]


async def show(checks: Checks) -> bool:
    """Run checks, print what they find, and tell whether none of them failed."""
    console = Screen(highlight=False)
    counts: Counter[Verdict] = Counter()
    section = None
    with console.status("") as status:
        tell = status.update if console.is_terminal else _Log(console).tell
        async for about, finding in checks(tell):
            if about is not section:
                section = about
                console.print(f"{about}")
            console.print(line(finding), soft_wrap=True)
            counts[finding.verdict] += 1
    console.print(closing(counts), soft_wrap=True)
    return not counts[Verdict.FAILED]


class _Log:
    """Says now and then what is being waited for, where nothing can be overwritten."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""
        self._quiet_until = time.monotonic() + PROGRESS_SECONDS

    def tell(self, what: str) -> None:
        if what != self._last and time.monotonic() > self._quiet_until:
            self._last, self._quiet_until = what, time.monotonic() + PROGRESS_SECONDS
            self._console.print(f"  ...      {what}", soft_wrap=True, markup=False)


def line(finding: Finding) -> Text:
    """Return a finding on one line, its remedy behind a colon."""
    found = " ".join(finding.found.split())
    text = Text("  ")
    text.append(f"{finding.verdict:<9}", style=STYLES[finding.verdict])
    text.append(f"{finding.name:<{NAME_WIDTH}}  {found}")
    if finding.remedy:
        text.append(f": {finding.remedy}", style="italic")
    return text


def closing(counts: Counter[Verdict]) -> Text:
    """Return the last line: whether to go on, and how many checks ended how."""
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    if counts[Verdict.FAILED]:
        return Text(f"not usable as it is: {said}", style=STYLES[Verdict.FAILED])
    return Text(f"usable: {said}", style=STYLES[Verdict.OK])
