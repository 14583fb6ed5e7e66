"""What counts as an idea that was tried before."""

from airr.researcher.novelty import repeats

MUON = "Use the Muon optimizer with learning rate 0.02 for all weight matrices of the model."
ROPE = "Replace learned position embeddings by rotary position embeddings in attention."


def test_the_same_idea_again_is_a_repetition():
    assert repeats([MUON, ROPE], [MUON], 0.9) == [True, False]


def test_small_changes_of_wording_are_a_repetition():
    again = (
        "Use the Muon optimizer with a learning rate of 0.02 for all weight matrices of the model"
    )
    assert repeats([again], [MUON], 0.9) == [True]


def test_other_numbers_make_a_variation_and_no_repetition():
    assert repeats([MUON.replace("0.02", "0.04")], [MUON], 0.9) == [False]
    assert repeats([MUON.replace("0.02", "2e-2")], [MUON], 0.9) == [True]


def test_of_two_alike_in_one_offer_the_first_stays():
    assert repeats([ROPE, MUON, ROPE], [], 0.9) == [False, False, True]


def test_an_empty_offer_and_empty_texts_are_no_trouble():
    assert repeats([], [MUON], 0.9) == []
    assert repeats(["", "123", "!?"], [], 0.9) == [False, False, True]
