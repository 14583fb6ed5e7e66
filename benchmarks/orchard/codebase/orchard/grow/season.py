"""The weather of a year."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Season:
    """What a year brought."""

    rain: float  # litres a day
    frost: bool

    @classmethod
    def drawn(cls, rng: random.Random) -> "Season":
        """Return a year's weather by chance."""
        rain = rng.gauss(2.5, 0.8)
        frost = rng.random() < 0.1
        return cls(rain=max(0.0, rain), frost=frost)
