"""What a model or a candidate wrote -> text that a terminal shows, and does not act upon. Pure."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return a text without what a terminal would obey or hide, such as colours; lines stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def plain_line(text: str) -> str:
    """Return the same on one line, with single spaces."""
    return " ".join(plain(text).split())
