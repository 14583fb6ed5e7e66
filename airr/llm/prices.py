"""Tokens -> dollars, by a table that the user may edit (conf/prices.yaml)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from airr.errors import ConfigError
from airr.foreign import record_of
from airr.llm.protocol import Usage
from airr.plain_yaml import mapping_at

PER = 1_000_000
SNAPSHOT = re.compile(r"[-@:](\d{8}|\d{4}-\d{2}-\d{2}|latest)")
"""What may follow a listed name: anything else, as in gpt-5-mini after gpt-5, is another model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in USD per million tokens of each kind."""

    input: float
    cache_write: float
    cache_read: float
    output: float


PriceTable = Mapping[str, Price]


def load_prices(shipped: Path, own: Path | None = None) -> PriceTable:
    """Return the price table, model name to prices: the user's entries, then those of airr.

    Raises:
        ConfigError: a file is missing, no YAML, or an entry does not fit `Price`.
    """
    return {**_table_in(shipped), **(_table_in(own) if own else {})}


def _table_in(path: Path) -> PriceTable:
    try:
        entries = mapping_at(path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the price table {path} must map model names to prices, and cannot be read: {error}"
        ) from error
    return {str(model): _price(path, str(model), entry) for model, entry in entries.items()}


def _price(path: Path, model: str, entry: Any) -> Price:
    try:
        price = record_of(Price, entry)
        _refuse_gifts(price)
    except ValueError as error:
        raise ConfigError(
            f"{path}: {model} must have input, cache_write, cache_read and output, each in USD "
            f"per million tokens ({error})"
        ) from error
    return price


def _refuse_gifts(price: Price) -> None:
    """Refuse what would let a bound of dollars grow by spending."""
    if (least := min(asdict(price).values())) < 0:
        raise ValueError(f"{least} is below 0")


def usd_of(model: str, usage: Usage, table: PriceTable) -> float | None:
    """Return what a call cost in USD; None where the table does not know the model.

    The longest listed name that the model's begins with counts, if a snapshot date follows it.
    """
    price = _price_of(model, table)
    return None if price is None else _cost(usage, price)


def dearest_of(model: str, usage: Usage, table: PriceTable) -> float | None:
    """Return what a call costs at most, should the cache write all of its input."""
    price = _price_of(model, table)
    if price is None:
        return None
    return _cost(usage, replace(price, input=max(price.input, price.cache_write)))


def _price_of(model: str, table: PriceTable) -> Price | None:
    known = [name for name in table if _is_of(model, name)]
    return table[max(known, key=len)] if known else None


def _cost(usage: Usage, price: Price) -> float:
    return (
        usage.input_tokens * price.input
        + usage.cache_write_tokens * price.cache_write
        + usage.cache_read_tokens * price.cache_read
        + usage.output_tokens * price.output
    ) / PER


def _is_of(model: str, name: str) -> bool:
    if not model.startswith(name):
        return False
    return model == name or SNAPSHOT.fullmatch(model, len(name)) is not None
