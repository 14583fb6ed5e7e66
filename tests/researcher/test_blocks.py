"""What models really write around ideas, and the ideas that must come out of it."""

import pytest

from airr.researcher.blocks import Block, parse_blocks

PLAIN = "[Experiment] Try A.\n[Code Changes] Set a=1.\n[End]"

ONE_IDEA = {
    "plain": PLAIN,
    "prose around": f"Here you go!\n\n{PLAIN}\n\nGood luck.",
    "bold markers": "**[Experiment]** Try A.\n**[Code Changes]** Set a=1.\n**[End]**",
    "headings": "### [Experiment]\nTry A.\n\n### [Code Changes]\nSet a=1.\n\n### [End]",
    "numbered": "1. [Experiment] Try A.\n   [Code Changes] Set a=1.\n   [End]",
    "lower case": "[experiment] Try A.\n[code changes] Set a=1.\n[end]",
    "singular": "[Experiment] Try A.\n[Code Change] Set a=1.\n[End]",
    "numbered inside": "[Experiment 1] Try A.\n[Code Changes 1] Set a=1.\n[End]",
    "colon": "[Experiment]: Try A.\n[Code Changes]: Set a=1.\n[End]",
    "no end": "[Experiment] Try A.\n[Code Changes] Set a=1.",
    "windows lines": PLAIN.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("answer", ONE_IDEA.values(), ids=ONE_IDEA.keys())
def test_one_idea_comes_out_however_it_is_wrapped(answer: str):
    (block,) = parse_blocks(answer)
    assert block.experiment == "Try A."
    assert block.code_changes == "Set a=1."


def test_ideas_come_in_their_order_also_without_end_markers():
    answer = "\n".join(f"[Experiment] Try {n}.\n[Code Changes] Set {n}." for n in range(5))
    assert [block.experiment for block in parse_blocks(answer)] == [f"Try {n}." for n in range(5)]


def test_a_block_that_was_cut_off_before_its_changes_is_left_out():
    assert len(parse_blocks(f"{PLAIN}\n[Experiment] Try B and the")) == 1


def test_an_answer_without_blocks_holds_no_ideas():
    assert parse_blocks("I cannot help with that.") == ()
    assert parse_blocks("") == ()


def test_parents_are_the_ids_that_are_named_each_once():
    answer = PLAIN.replace("[End]", "[Parents] e00-i003, e02-i011 and e00-i003\n[End]")
    assert parse_blocks(answer)[0].parents == ("e00-i003", "e02-i011")


def test_markers_within_a_sentence_do_not_split_an_idea():
    answer = (
        "[Experiment] As the [End] token shows, try A.\n[Code Changes] x[experiment] = 1\n[End]"
    )
    assert parse_blocks(answer) == (
        Block("As the [End] token shows, try A.", "x[experiment] = 1", ()),
    )


def test_a_flood_of_markers_is_parsed_in_time():
    assert parse_blocks("[Experiment]\n" * 50_000) == ()
    assert parse_blocks("[" * 200_000) == ()
    assert parse_blocks(" \t#>*_-" * 100_000) == ()


@pytest.mark.parametrize(
    ("answer", "ideas"),
    [
        (f"{PLAIN}\n[Experiment] Try B.\n[Code Changes] Set b to", 1),
        (f"{PLAIN}\n[Experiment] Try B.\n[Code Changes] Set b=2.\n[End]", 2),
        (PLAIN.replace("\n[End]", ""), 0),
        ("[Experiment] Try A.\n[Code Changes] a.\n[Experiment] Try B.\n[Code Changes] b", 1),
    ],
)
def test_of_an_answer_that_was_cut_off_an_idea_without_its_end_is_left_out(answer: str, ideas: int):
    assert len(parse_blocks(answer, is_cut=True)) == ideas
