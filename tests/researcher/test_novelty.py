"""What counts as an idea that was tried before."""

import random

import numpy as np
import pytest

from airr.researcher import novelty
from airr.researcher.novelty import Novelty, word_vectors

MUON = "Use the Muon optimizer with learning rate 0.02 for all weight matrices of the model."
ROPE = "Replace learned position embeddings by rotary position embeddings in attention."


def test_the_same_idea_again_is_a_repetition():
    assert Novelty().repeats([MUON, ROPE], [MUON], 0.9) == [True, False]


def test_small_changes_of_wording_are_a_repetition():
    again = (
        "Use the Muon optimizer with a learning rate of 0.02 for all weight matrices of the model"
    )
    assert Novelty().repeats([again], [MUON], 0.9) == [True]


def test_other_numbers_make_a_variation_and_no_repetition():
    assert Novelty().repeats([MUON.replace("0.02", "0.04")], [MUON], 0.9) == [False]
    assert Novelty().repeats([MUON.replace("0.02", "2e-2")], [MUON], 0.9) == [True]


def test_of_two_alike_in_one_offer_the_first_stays():
    assert Novelty().repeats([ROPE, MUON, ROPE], [], 0.9) == [False, False, True]


def test_an_empty_offer_and_empty_texts_are_no_trouble():
    assert Novelty().repeats([], [MUON], 0.9) == []
    assert Novelty().repeats(["", "123", "!?"], [], 0.9) == [False, False, True]


def test_what_was_seen_before_changes_no_judgement_of_what_comes_later():
    seen = Novelty()
    seen.repeats([ROPE, "Some other idea of many more words than those before it"], [], 0.9)
    assert seen.repeats([MUON, ROPE], [MUON], 0.9) == [True, False]


def test_cosines_are_those_of_scikit_learn():
    rng, words = random.Random(0), ["attention", "rate", "muon", "rope", "the", "of", "norm_"]
    texts = [" ".join(rng.choices(words, k=rng.randrange(1, 20))) + " 0.5" for _ in range(40)]
    ours = Novelty()
    bags = [ours._bag(text) for text in texts]
    theirs = word_vectors(texts)
    expected = (theirs[30:] @ theirs.T).toarray()
    assert novelty._cosines(bags, 30, len(ours._columns)) == pytest.approx(np.asarray(expected))
