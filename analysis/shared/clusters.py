"""Ideas -> clusters of ideas whose texts say the same, in one pass.

Words are weighed as for the search's own novelty check (airr/researcher/novelty.py): TF-IDF
without numbers. Each idea joins the cluster whose first idea is most like it, if their cosine
reaches the threshold, else it founds one. Ideas are taken in their order, so the same ledger
gives the same clusters, and ten thousand ideas take seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd

from airr.researcher.novelty import word_vectors
from analysis.shared.script import share

SIMILARITY = 0.5
"""The cosine from which on ideas are one, where the user names no other."""
AT_ONCE = 256
"""Ideas whose likeness to all others is held in memory."""


def similarity_option(parser: argparse.ArgumentParser) -> None:
    """Let the user say how much alike the ideas of a cluster are."""
    parser.add_argument(
        "--similarity",
        type=share,
        default=SIMILARITY,
        help=f"cosine from which on ideas are one (default: {SIMILARITY})",
    )


def with_clusters(trials: pd.DataFrame, similarity: float) -> pd.DataFrame:
    """Return trials with a column `cluster`: the row of the founder of each one's cluster."""
    return trials.assign(cluster=clusters_of(trials.text.tolist(), similarity))


def clusters_of(texts: Sequence[str], similarity: float) -> list[int]:
    """Return for each text the place in `texts` of the founder of its cluster."""
    if not texts:
        return []
    first_with = {text: place for place, text in reversed([*enumerate(texts)])}
    places = sorted(first_with.values())
    vectors = word_vectors([texts[place] for place in places])
    founders: list[int] = []
    cosines = np.empty((0, 0))
    joined: dict[str, int] = {}
    for row, place in enumerate(places):
        if row % AT_ONCE == 0:
            cosines = (vectors[row : row + AT_ONCE] @ vectors.T).toarray()
        own = cosines[row % AT_ONCE, founders]
        if not len(own) or own.max() < similarity:
            founders.append(row)
            own = np.append(own, 1.0)
        joined[texts[place]] = places[founders[int(own.argmax())]]
    return [joined[text] for text in texts]
