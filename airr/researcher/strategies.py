"""The strategies that `search=` knows, by name."""

from __future__ import annotations

from collections.abc import Mapping

from airr.errors import ConfigError
from airr.researcher import best_of_n, evolution, islands, steady_state, tree
from airr.researcher.strategy import Strategy

STRATEGIES: Mapping[str, Strategy] = {
    "evolution": evolution.plan_epoch,
    "best_of_n": best_of_n.plan_epoch,
    "steady_state": steady_state.plan_epoch,
    "tree": tree.plan_epoch,
    "islands": islands.plan_epoch,
}
INDEPENDENT = frozenset({"best_of_n"})
"""Strategies whose epochs need no outcome of an earlier one."""


def strategy_named(name: str) -> Strategy:
    """Return a strategy.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in STRATEGIES:
        raise ConfigError(f"search.name={name}: known are {', '.join(STRATEGIES)}")
    return STRATEGIES[name]
