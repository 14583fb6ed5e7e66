"""Grow the orchard that a file describes, and say what it earned."""

import random
import sys
from pathlib import Path

import yaml

from orchard.grow.season import Season
from orchard.grow.tree import Tree
from orchard.market.price import Market


def main(path: str) -> None:
    conf = yaml.safe_load(Path(path).read_text())
    rng = random.Random(conf["seed"])
    trees = [Tree(**tree) for tree in conf["trees"]]
    market = Market(**conf["market"])

    earned = 0.0
    for year in range(conf["years"]):
        season = Season.drawn(rng)
        apples = sum(tree.grow(season) for tree in trees)
        earned += market.sell(apples, rng)
        print(f"year {year}: {apples:.0f} kg")
    print(f"earned {earned:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
