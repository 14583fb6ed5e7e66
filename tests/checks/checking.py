"""Configurations for checks, and findings by their names."""

from __future__ import annotations

from typing import Any

from airr.checks.finding import Finding, Findings
from airr.config import Config
from airr.parsing import parse_config
from airr.start import with_sandbox
from airr.verb import compositions


def raw_of(*overrides: str) -> dict[str, Any]:
    """Return what these overrides compose, as `airr.check` hands it to the checks."""
    (raw,) = compositions("evolve", ["llm=offline", *overrides])
    del raw["fork"], raw["once"]
    return raw


def config_of(*overrides: str) -> Config:
    return with_sandbox(parse_config(raw_of(*overrides)))


async def by_name(findings: Findings) -> dict[str, Finding]:
    return {finding.name: finding async for finding in findings}
