"""Which of the ideas offered repeat one that was tried: alike in words and the same in numbers.

An idea that differs from a past one in its numbers alone is a variation, not a repetition.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


def repeats(offered: Sequence[str], past: Sequence[str], similarity: float) -> list[bool]:
    """Tell for each idea offered whether it repeats a past one or an earlier one of the offer.

    `similarity` is the TF-IDF cosine of two texts from which on their words count as alike.
    """
    if not offered:
        return []
    texts = [*past, *offered]
    vectors = word_vectors(texts)
    cosines = (vectors[len(past) :] @ vectors.T).toarray()
    numbers = [_numbers(text) for text in texts]
    accepted = [True] * len(past)
    found: list[bool] = []
    for row, own in zip(cosines, range(len(past), len(texts)), strict=True):
        repeat = any(
            accepted[other] and row[other] >= similarity and numbers[other] == numbers[own]
            for other in range(own)
        )
        found.append(repeat)
        accepted.append(not repeat)
    return found


def word_vectors(texts: Sequence[str]) -> Any:
    """Return a sparse matrix with a row of length 1 for each text: TF-IDF of its words alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - takes seconds

    vectorizer = TfidfVectorizer(token_pattern=r"[a-z_]{2,}", sublinear_tf=True)
    return vectorizer.fit_transform([NUMBER.sub(" ", text.lower()) + " idea" for text in texts])


def _numbers(text: str) -> Counter[float]:
    return Counter(float(number) for number in NUMBER.findall(text))
