"""A ledger's tables -> sums, by column: for those who look often, and at long campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from airr.ledger import read_whole
from airr.summary import ROLES, Spend

SUMS = {
    "input_tokens": "input_tokens",
    "cached_tokens": "cache_read_tokens",
    "written_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
}
"""Fields of a `Spend`, and the columns of calls that they sum."""
TYPES = {
    "purpose": str,
    "stop_reason": str,
    "usd": float,
    "latency_seconds": float,
    **dict.fromkeys(SUMS.values(), int),
}
"""Columns of calls, as arrays; no price is NaN there."""


def gpu_hours_in(folder: Path) -> float:
    """Return what ended runs, and the jobs of finished updates, have used, of a ledger's folder."""
    return sum(_sum_of(folder, name, "gpu_seconds") for name in ("runs", "updates")) / 3600


def preflight_seconds_in(folder: Path) -> float:
    """Return what the preflights of all patches took, of a ledger's folder."""
    return _sum_of(folder, "patches", "preflight_seconds")


def _sum_of(folder: Path, table: str, column: str) -> float:
    return sum(read_whole(folder, table, [column])[column].to_pylist())


def spend_in(folder: Path) -> dict[str, Spend]:
    """Return what the calls of each role used up, for the roles that made any."""
    calls = read_whole(folder, "calls", [*TYPES])
    # Arrow's own ways to NumPy, and its sums, import pandas and more: longer than all of this
    columns = {name: np.array(calls[name].to_pylist(), TYPES[name]) for name in TYPES}
    by_role = {role: columns["purpose"] == name for name, role in ROLES.items()}
    return {role: _spend(columns, own) for role, own in by_role.items() if own.any()}


def _spend(calls: Mapping[str, np.ndarray], own: np.ndarray) -> Spend:
    """Return what those calls used up that are marked as `own`."""
    tokens = {field: int(calls[column][own].sum()) for field, column in SUMS.items()}
    usd = calls["usd"][own]
    return Spend(
        calls=int(own.sum()),
        cancelled=int((calls["stop_reason"][own] == "cancelled").sum()),
        usd=float(np.nansum(usd)),
        unpriced=int(np.isnan(usd).sum()),
        seconds=float(calls["latency_seconds"][own].sum()),
        **tokens,
    )
