"""The settings of a model that thinks of nothing."""

from dataclasses import dataclass


@dataclass
class Config:
    """What it always answers: so many rows of so many columns, in numbers of that type."""

    rows: int
    columns: int
    dtype: str
