"""What counts as an answer, and which answers are the same."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from airr.resources import resource
from tests.envs import grpo

MATH = resource("envs").parent.parent / "shared" / "data" / "math"


@pytest.fixture(scope="module")
def answers() -> Iterator[Any]:
    with grpo.modules(grpo.CODEBASE, "answers") as (found,):
        yield found


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (" 1 + 1 </think> <answer> 2 </answer>", "2"),
        ("</think> <answer>\\frac12</answer>", "\\frac12"),
        (" so </think> <answer> 2 </answer> and more", None),
        (" so </think><answer> 2 </answer>", None),
        (" so <answer> 2 </answer>", None),
        (" so </think> <answer> 2", None),
        (" 2 ", None),
        (" </think> <answer> 2 </answer> </think> <answer> 3 </answer>", None),
        (" </think> <answer> <answer> 3 </answer>", None),
        (" <answer> 2 </think> <answer> 3 </answer>", None),
    ],
)
def test_only_the_whole_form_has_an_answer(answers: Any, response: str, answer: str | None):
    assert answers.extract_answer(response) == answer


SAME = [
    ("7", "7"), ("+7", "7"), ("007", "7"), ("$7$", "7"), ("\\boxed{7}", "7"), ("7.", "7"),
    ("$7.$", "7"), ("\\( 7 \\)", "7"), ("1/2", "\\frac{1}{2}"), ("\\dfrac12", "\\frac{1}{2}"),
    ("0.5", "\\frac12"), ("2\\sqrt{3}", "\\sqrt{12}"), ("1 + 2x", "2x+1"), ("1{,}000", "1000"),
    ("(1, 2)", "\\left( 1, 2 \\right)"), ("3,4", "4, 3"), ("x = 5", "5"),
    ("\\text{Monday}", "\\text{Monday}"), ("90^\\circ", "90"), ("100000", "10^5"),
]  # fmt: skip
DIFFERENT = [
    ("8", "7"), ("-7", "7"), ("70", "7"), ("7.0001", "7"), ("", "7"), ("7 or 8", "7"),
    ("$7$ $8$", "7"), ("\\boxed{7} \\boxed{8}", "7"), ("7, 8", "7"), ("7} \\boxed{8", "7"),
    ("{7", "7"), ("7\n8", "7"), ("0.333", "\\frac13"), ("0.33333333", "\\frac13"),
    ("\\frac{2}{1}", "\\frac{1}{2}"), ("(2,1)", "(1,2)"), ("[1,2]", "(1,2)"), ("(1,2)", "(1,2,3)"),
    ("50\\%", "50"), ("x^2", "y^2"), ("2x-1", "2x+1"), ("\\sqrt{2}", "2"), ("11_2", "11_3"),
    ("\\infty", "-\\infty"), ("3+4i", "3-4i"), ("12", "1,2"), ("the answer", "7"),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}2\\\\1\\end{pmatrix}"),
    ("7" + " " * 400 + "+0", "7"), ("\\text{Tuesday}", "\\text{Monday}"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "truth"), SAME)
def test_another_way_to_write_the_truth_is_the_same(answers: Any, answer: str, truth: str):
    assert answers.is_same(answer, truth)


@pytest.mark.parametrize(("answer", "truth"), DIFFERENT)
def test_a_near_miss_is_not_the_same(answers: Any, answer: str, truth: str):
    assert not answers.is_same(answer, truth)


def test_an_answer_is_never_evaluated_as_code(answers: Any, tmp_path: Path):
    trap = tmp_path / "trap"
    for text in (f"open('{trap}','w')", f"__import__('os').mkdir('{trap}')"):
        assert not answers.is_same(text, "7")
    assert not trap.exists()


def true_answers() -> list[str]:
    if not MATH.exists():
        pytest.skip(f"{MATH} is not there")
    lines = [line for path in MATH.glob("*.jsonl") for line in path.read_text().splitlines()]
    return [answer for line in lines if (answer := json.loads(line)["answer"])]


def assert_recognised(answers: Any, truths: list[str]) -> None:
    """See that mathematics alone, without a look at the text, finds each truth equal to itself."""
    assert [truth for truth in truths if not answers.is_same(f"${truth}$", truth)] == []
    assert [truth for truth in truths if not answers.means_the_same(truth, truth)] == []


def test_true_answers_of_math_are_recognised(answers: Any):
    assert_recognised(answers, Random(0).sample(sorted(set(true_answers())), 60))


def test_other_problems_answers_of_math_are_wrong(answers: Any):
    pairs = Random(1).sample(sorted({truth for truth in true_answers() if len(truth) > 6}), 60)
    wrong = [pair for pair in pairwise(pairs) if answers.is_same(*pair)]
    assert wrong == []


@pytest.mark.long
def test_all_true_answers_of_math_are_recognised(answers: Any):
    truths = true_answers()
    assert len(truths) == 7998, "two problems have an empty answer"
    assert_recognised(answers, sorted(set(truths)))
