"""What a check found: one line for a person, one verdict for the exit status."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum

Tell = Callable[[str], None]
"""Hears what is being waited for; says nothing that a finding will not say."""


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    """As it should be."""
    WARNING = "warning"
    """A campaign would run, with less than it could have; or it could not be found out."""
    FAILED = "failed"
    """A campaign would not run, or its scores could not be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what was found, and if it is not ok what to type or whom to ask."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


Findings = AsyncIterator[Finding]


def ok(name: str, found: str) -> Finding:
    """Return a finding that asks nothing of anybody."""
    return Finding(name=name, verdict=Verdict.OK, found=found)


def warning(name: str, found: str, remedy: str) -> Finding:
    """Return a finding that a campaign can live with."""
    return Finding(name=name, verdict=Verdict.WARNING, found=found, remedy=remedy)


def failed(name: str, found: str, remedy: str) -> Finding:
    """Return a finding that a campaign cannot live with."""
    return Finding(name=name, verdict=Verdict.FAILED, found=found, remedy=remedy)
