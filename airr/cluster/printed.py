"""How Slurm's commands write settings, fields and numbers. Pure, and linear in what they print."""

from __future__ import annotations

LONGEST_NUMBER = 18
"""Digits of a number that Slurm could mean: more do not fit its own 64 bits."""


def settings_in(text: str) -> dict[str, str]:
    """Return the `Name = value` lines of `scontrol show config`."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def fields_in(text: str) -> dict[str, str]:
    """Return the `Name=value` words of what scontrol shows of a job or a partition."""
    pairs = (word.partition("=") for word in text.split())
    return {name: value for name, equals, value in pairs if name and equals}


def number_in(text: str) -> int | None:
    """Return a whole number, or None where a text is none."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None
