"""Titles tell ideas apart that begin alike, in little room, whatever a model wrote."""

import pytest

from airr.plain import plain
from airr.titles import Title, title_of, titles_of

LONG = "The logits begin near zero, so every head begins as a plain average over the past"


def texts(*experiments: str) -> dict[str, str]:
    return {
        str(n): f"[Experiment] {said}\n[Code Changes] none" for n, said in enumerate(experiments)
    }


def shown(*experiments: str, width: int = 160) -> list[str]:
    return [title.within(width) for title in titles_of(texts(*experiments)).values()]


def test_a_title_is_the_first_sentence_and_abbreviations_end_none():
    said = "Square it (Primer, So et al. 2021), e.g. in the MLP\n of all blocks. It is cheap."
    assert shown(said) == ["Square it (Primer, So et al. 2021), e.g. in the MLP of all blocks"]


def test_ideas_that_begin_alike_go_on_with_the_words_in_which_they_differ():
    first, second, other = shown(
        f"{LONG}. Multiply them by 4 instead of one.",
        f"{LONG}. Multiply them by 8 instead of one.",
        "Something else. It is multiplied by 9.",
    )
    assert first == f"{LONG} … them by 4 instead"
    assert second == f"{LONG} … them by 8 instead"
    assert other == "Something else"


def test_variants_of_a_variant_name_each_number_that_tells_them_apart():
    found = shown(
        "Vary. Take a rate of 1 and then a decay of 2 for all.",
        "Vary. Take a rate of 1 and then a decay of 3 for all.",
        "Vary. Take a rate of 2 and then a decay of 2 for all.",
    )
    assert found == [
        "Vary … rate of 1 and … decay of 2 for",
        "Vary … rate of 1 and … decay of 3 for",
        "Vary … rate of 2 and",
    ]


def test_the_same_idea_twice_has_the_same_title():
    assert shown("Vary. So.", "Vary. So.") == ["Vary", "Vary"]


def test_one_that_only_goes_on_longer_is_told_apart_too():
    assert shown("Vary. Slowly", "Vary. Slowly and long")[1].startswith("Vary … ")


@pytest.mark.parametrize("width", [100, 60, 30, 12])
def test_what_sets_an_idea_apart_is_cut_last(width: int):
    title = Title(LONG, "them by 4 instead")
    assert len(title.within(width)) <= width
    assert ("by 4 instead" in title.within(width)) is (width > 12)


def test_among_ten_thousand_one_title_is_found_without_all_the_others():
    all_of_them = texts(*(f"{LONG}. Take {n} of them." for n in range(100)), "Alone.")
    assert title_of("7", all_of_them) == titles_of(all_of_them)["7"]
    assert title_of("100", all_of_them) == Title("Alone")


def test_nothing_in_a_title_reaches_the_terminal_that_it_would_obey():
    assert shown("\x1b[31mRed\x1b[0m and \u202eback") == ["[31mRed [0m and back"]
    assert plain("\x1b]0;owned\x07\nnext\r") == " ]0;owned \nnext "
