"""How different the ideas of a group are: what collapse is measured by. Pure.

Two ideas are alike if the TF-IDF cosine of their words, numbers left out, is at least `ALIKE`; a
cluster is what such likeness holds together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airr.researcher.novelty import word_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIKE = 0.8
WORD = re.compile(r"[a-z_]{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """What a group of ideas comes to; `top_share` is that of its two commonest clusters."""

    ideas: int
    distinct: int
    similarity: float
    clusters: int
    top_share: float


def canonical(text: str) -> str:
    """Return an idea's text without what does not change it: case and blanks."""
    return " ".join(text.lower().split())


def diversity_of(texts: Sequence[str]) -> Diversity:
    """Return how different these ideas are; `similarity` is the mean over all pairs."""
    count = len(texts)
    distinct = len({canonical(text) for text in texts})
    if count < 2:
        return Diversity(
            ideas=count, distinct=distinct, similarity=1.0, clusters=count, top_share=1.0
        )
    cosines = _cosines(texts, texts)
    pairs = cosines[~np.eye(count, dtype=bool)]
    sizes = sorted(_cluster_sizes(cosines), reverse=True)
    return Diversity(
        ideas=count,
        distinct=distinct,
        similarity=float(pairs.mean()),
        clusters=len(sizes),
        top_share=sum(sizes[:2]) / count,
    )


def novelty_of(texts: Sequence[str], past: Sequence[str]) -> NDArray[np.float64]:
    """Return how unlike its nearest past idea each text is, from 0 (the same) to 1."""
    if not past or not texts:
        return np.ones(len(texts))
    return 1 - np.clip(_cosines(texts, past).max(axis=1), 0, 1)


def jaccard_of(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the mean Jaccard similarity of each text's words to those of the others, 0 to 1."""
    words = [set(WORD.findall(text.lower())) for text in texts]
    found = np.zeros(len(texts))
    for i, own in enumerate(words):
        others = [_jaccard(own, other) for j, other in enumerate(words) if j != i]
        found[i] = float(np.mean(others)) if others else 0.0
    return found


def _jaccard(one: set[str], other: set[str]) -> float:
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def _cosines(rows: Sequence[str], columns: Sequence[str]) -> NDArray[np.float64]:
    vectors = word_vectors([*rows, *columns])
    return (vectors[: len(rows)] @ vectors[len(rows) :].T).toarray()


def _cluster_sizes(cosines: NDArray[np.float64]) -> list[int]:
    from scipy.sparse import csr_matrix  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    _, labels = connected_components(csr_matrix(cosines >= ALIKE), directed=False)
    return np.bincount(labels).tolist()
