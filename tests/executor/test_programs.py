"""Whether two files of Python are the same program, but for comments and spacing."""

import pytest

from airr.executor.diffs.programs import is_same_program

PROGRAM = """\
import os

@cached
def train(rate=0.1):
    for step in range(3):
        if step:
            print("step", step)
        else:
            print('begin')
    return rate

class Model:
    width = 3

    def grow(self):
        self.width += 1
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import os\n", "# why\nimport os  # what\n\n\n"),
        (
            'print("step", step)',
            'print(\n                "step",\n                step,\n            )',
        ),
        ("'begin'", '"begin"'),
        ("rate=0.1", "rate = (0.10)"),
        ("\n", "\r\n"),
    ],
)
def test_comments_spacing_and_spelling_make_no_other_program(old: str, new: str):
    assert is_same_program(PROGRAM, PROGRAM.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rate=0.1", "rate=1"),
        ("range(3)", "range(3.0)"),
        ("range(3)", "range(4)"),
        ("self.width += 1", "self.width -= 1"),
        ("@cached", "@cached()"),
        ("@cached\n", ""),
        ("    return rate", "        return rate"),
        ('print("step", step)', 'print("step",step); step += 1'),
        ("'begin'", "'begin '"),
        ("import os\n", "import os; import re\n"),
        ("        else:\n", "        if not step:\n"),
        ("return rate", "return ("),
    ],
)
def test_everything_else_does(old: str, new: str):
    assert not is_same_program(PROGRAM, PROGRAM.replace(old, new))


def test_statements_that_change_places_on_one_line_are_seen():
    assert not is_same_program("a()\nb(); c()\n", "b(); c()\na()\n")
    assert not is_same_program("a(); b()\n", "b(); a()\n")
