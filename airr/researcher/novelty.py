"""Which of the ideas offered repeat one that was tried: alike in words and the same in numbers.

An idea that differs from a past one in its numbers alone is a variation, not a repetition.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
WORD = r"[a-z_]{2,}"


@dataclass(frozen=True, slots=True)
class _Bag:
    """The words of a text, by their columns and sublinear frequencies, and its numbers."""

    columns: NDArray[np.int32]
    frequencies: NDArray[np.float64]
    numbers: tuple[float, ...]


class Novelty:
    """Compares ideas by TF-IDF; a text that it has seen is not taken apart again."""

    def __init__(self) -> None:
        """Begin without any words."""
        self._columns: dict[str, int] = {}
        self._bags: dict[str, _Bag] = {}

    def repeats(self, offered: Sequence[str], past: Sequence[str], similarity: float) -> list[bool]:
        """Tell for each idea offered whether it repeats a past one or an earlier one of the offer.

        `similarity` is the TF-IDF cosine of two texts from which on their words count as alike.
        """
        if not offered:
            return []
        bags = [self._bag(text) for text in (*past, *offered)]
        cosines = _cosines(bags, len(past), len(self._columns))
        accepted = [True] * len(past)
        found: list[bool] = []
        for row, own in zip(cosines, range(len(past), len(bags)), strict=True):
            alike = np.flatnonzero(row[:own] >= similarity).tolist()
            repeat = any(
                accepted[other] and bags[other].numbers == bags[own].numbers for other in alike
            )
            found.append(repeat)
            accepted.append(not repeat)
        return found

    def _bag(self, text: str) -> _Bag:
        if text not in self._bags:
            counts = Counter(re.findall(WORD, _plain(text)))
            columns = [self._columns.setdefault(word, len(self._columns)) for word in counts]
            self._bags[text] = _Bag(
                columns=np.array(columns, np.int32),
                frequencies=1 + np.log(np.array([*counts.values()], np.float64)),
                numbers=tuple(sorted(map(float, NUMBER.findall(text)))),
            )
        return self._bags[text]


def _cosines(bags: Sequence[_Bag], first: int, words: int) -> NDArray[np.float64]:
    """Return the cosine of each text from `first` on with every text, as TfidfVectorizer would."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - takes a moment

    columns = np.concatenate([bag.columns for bag in bags])
    starts = np.cumsum([0, *(len(bag.columns) for bag in bags)])
    idf = 1 + np.log((1 + len(bags)) / (1 + np.bincount(columns, minlength=words)))
    weights = np.concatenate([bag.frequencies for bag in bags]) * idf[columns]
    lengths = np.sqrt(np.add.reduceat(weights**2, starts[:-1]))
    weights /= np.repeat(lengths, np.diff(starts))
    vectors = csr_matrix((weights, columns, starts), shape=(len(bags), words))
    return (vectors[first:] @ vectors.T).toarray()


def word_vectors(texts: Sequence[str]) -> Any:
    """Return a sparse matrix with a row of length 1 for each text: TF-IDF of its words alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - takes seconds

    vectorizer = TfidfVectorizer(token_pattern=WORD, sublinear_tf=True)
    return vectorizer.fit_transform([_plain(text) for text in texts])


def _plain(text: str) -> str:
    """Return a text without numbers, and with one word at least."""
    return NUMBER.sub(" ", text.lower()) + " idea"
