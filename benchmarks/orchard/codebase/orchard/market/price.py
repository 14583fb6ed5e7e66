"""What apples are sold for."""

import random


class Market:
    """Buys everything, at a price that varies."""

    def __init__(self, price: float, spread: float) -> None:
        self.price = price
        self.spread = spread
        self.sold = 0.0

    def sell(self, apples: float, rng: random.Random) -> float:
        """Sell some apples and return what they earned."""
        price = rng.gauss(self.price, self.spread)
        self.sold += apples
        return apples * max(0.0, price)
