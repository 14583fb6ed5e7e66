"""What a watcher tells: everything once, what comes at the very end included."""

import io
from collections.abc import Callable

from rich.console import Console

from airr.display import news as module
from airr.display.news import News, watching


def console() -> tuple[Console, Callable[[], list[str]]]:
    written = io.StringIO()
    shown = Console(file=written, width=80)
    return shown, lambda: [line.split(maxsplit=1)[1] for line in written.getvalue().splitlines()]


async def test_what_comes_as_the_body_ends_is_told_too():
    shown, lines = console()
    news, events = News[str](shown), list[str]()
    async with watching(shown, lambda: news.tell(events, str.upper)):
        events.append("the last one")
    assert lines() == ["s  THE LAST ONE"]


async def test_each_event_is_told_once_and_what_was_known_before_is_none(monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    shown, lines = console()
    news, events = News(shown, known=["old"]), ["old", "first"]
    async with watching(shown, lambda: news.tell(events, str)):
        while not news.told:
            await module.asyncio.sleep(0)
        events.append("second")
    assert lines() == ["s  first", "s  second"]
    assert news.told == 2
