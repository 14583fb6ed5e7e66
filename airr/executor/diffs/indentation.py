"""How a hunk indents against how its file does -> the added lines as the file would have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Shift = Callable[[str], str | None]
"""Turns an indentation of the hunk into one of the file; None where it has no counterpart."""


def shift_between(pairs: Sequence[tuple[str, str]]) -> Shift | None:
    """Return the one shift that explains all pairs (line of the hunk, line of the file).

    None where the lines are not shifted uniformly: then nobody knows how added lines should be.
    Known shifts: none at all, by a constant number of spaces, spaces for tabs, tabs for spaces.
    """
    indents = [(indent_of(ours), indent_of(theirs)) for ours, theirs in pairs if ours.strip()]
    if all(ours == theirs for ours, theirs in indents):
        return lambda indent: indent
    for explain in (_by_spaces, _tabs_for_spaces, _spaces_for_tabs):
        shift = explain(indents)
        if shift is not None and all(shift(ours) == theirs for ours, theirs in indents):
            return shift
    return None


def indent_of(line: str) -> str:
    """Return the spaces and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def _by_spaces(indents: Sequence[tuple[str, str]]) -> Shift | None:
    if any("\t" in indent for pair in indents for indent in pair):
        return None
    ours, theirs = indents[0]
    width = len(theirs) - len(ours)

    def shift(indent: str) -> str | None:
        return (
            " " * (len(indent) + width) if set(indent) <= {" "} and -width <= len(indent) else None
        )

    return shift


def _tabs_for_spaces(indents: Sequence[tuple[str, str]]) -> Shift | None:
    spaces = _spaces_per_tab([(ours, theirs) for ours, theirs in indents])
    if spaces is None:
        return None

    def shift(indent: str) -> str | None:
        if set(indent) <= {"\t"}:
            return indent  # already as the file has it
        if set(indent) <= {" "} and len(indent) % spaces == 0:
            return "\t" * (len(indent) // spaces)
        return None

    return shift


def _spaces_for_tabs(indents: Sequence[tuple[str, str]]) -> Shift | None:
    spaces = _spaces_per_tab([(theirs, ours) for ours, theirs in indents])
    if spaces is None:
        return None

    def shift(indent: str) -> str | None:
        if set(indent) <= {" "}:
            return indent  # already as the file has it
        return " " * (len(indent) * spaces) if set(indent) <= {"\t"} else None

    return shift


def _spaces_per_tab(pairs: Sequence[tuple[str, str]]) -> int | None:
    """Return by how many spaces the first of each pair stands for a tab of the second."""
    for spaces, tabs in pairs:
        if tabs and set(tabs) == {"\t"} and set(spaces) == {" "} and len(spaces) % len(tabs) == 0:
            return len(spaces) // len(tabs)
    return None
