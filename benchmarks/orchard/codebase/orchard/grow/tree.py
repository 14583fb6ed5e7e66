"""One tree."""

from dataclasses import dataclass

from orchard.grow.season import Season


@dataclass
class Tree:
    """A tree of a sort; it bears from its third year on."""

    name: str
    vigour: float
    water: float  # litres a day
    age: int = 0

    def grow(self, season: Season) -> float:
        """Grow for a year and return the apples of it, in kg."""
        self.age += 1
        if self.age < 3:
            return 0.0
        apples = 40.0 * self.vigour
        if season.rain < self.water:
            apples *= 0.5
        if season.frost:
            apples *= 0.2
        return apples

    def prune(self) -> None:
        """Take out old wood."""
        if self.age < 3:
            return
        self.vigour = min(1.2, self.vigour * 1.05)


@dataclass
class Hedge:
    """Keeps the wind out."""

    height: float

    def grow(self, season: Season) -> float:
        """Grow for a year; a hedge bears nothing."""
        self.height += 0.1 * season.rain
        return 0.0

    def prune(self) -> None:
        """Cut it to a man's height."""
        self.height = min(1.8, self.height)
