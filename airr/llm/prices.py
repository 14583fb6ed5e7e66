"""Tokens -> dollars, by a table that the user may edit (conf/prices.yaml)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airr.errors import ConfigError
from airr.llm.protocol import Usage

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


def load_prices(path: Path) -> PriceTable:
    """Return the price table of a YAML file: model name to prices.

    Raises:
        ConfigError: the file is missing, no YAML, or an entry does not fit `Price`.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"the price table {path} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"the price table {path} must map model names to prices")
    return {str(model): _price(path, str(model), entry) for model, entry in raw.items()}


def _price(path: Path, model: str, entry: Any) -> Price:
    try:
        return Price(**{kind: float(usd) for kind, usd in entry.items()})
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}: {model} must have input, cache_write, cache_read and output, each in USD "
            f"per million tokens ({error})"
        ) from error


def usd_of(model: str, usage: Usage, table: PriceTable) -> float | None:
    """Return what a call cost in USD; None where the table does not know the model.

    The longest listed name that the model's begins with counts, if a snapshot date follows it.
    """
    known = [name for name in table if _is_of(model, name)]
    if not known:
        return None
    price = table[max(known, key=len)]
    return (
        usage.input_tokens * price.input
        + usage.cache_write_tokens * price.cache_write
        + usage.cache_read_tokens * price.cache_read
        + usage.output_tokens * price.output
    ) / PER


def _is_of(model: str, name: str) -> bool:
    rest = model.removeprefix(name)
    return model.startswith(name) and (not rest or SNAPSHOT.fullmatch(rest) is not None)
