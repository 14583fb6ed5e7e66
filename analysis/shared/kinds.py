"""A diff -> whether it sets other values or changes the algorithm, by rule.

An idea is of the hyper-parameter kind if its diff changes nothing but values: in every place, the
lines taken out and the lines put in are the same once numbers, strings, True, False and None are
blotted out, and comments left out. Whatever adds, drops or rewrites code is algorithmic. The rule
knows no meaning: a new line `dropout = 0.1` counts as algorithmic, another constant in a formula
as a hyper-parameter.
"""

from __future__ import annotations

import re
from enum import StrEnum

from airr.executor.diffs import Rejection
from airr.executor.diffs.answers import edits_in
from airr.executor.diffs.edits import Edit, Hunk, Op, Replacement
from analysis.shared.style import COLORS, MARKERS, Look


class Kind(StrEnum):
    """What an idea changes."""

    HYPERPARAMETER = "hyper-parameter"
    """Values alone."""
    ALGORITHMIC = "algorithmic"
    """What is computed."""
    UNCLEAR = "unclear"
    """There is no diff, none that can be read, or no word of the model that decides."""


LOOKS = {
    Kind.HYPERPARAMETER: Look(COLORS[1], MARKERS[1]),
    Kind.ALGORITHMIC: Look(COLORS[0], MARKERS[0]),
    Kind.UNCLEAR: Look("#bbbbbb", MARKERS[2]),
}
STRINGS = re.compile(r"'[^'\\\n]*(?:\\.[^'\\\n]*)*'|\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"")
NUMBERS = re.compile(
    r"(?<![\w.])(?:0x[0-9a-f_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[-+]?\d+)?)", re.IGNORECASE
)
CONSTANTS = re.compile(r"\b(?:true|false|none|null)\b", re.IGNORECASE)
SIGNS = re.compile(r"(?<=[=(,:\[])(\s*)[-+]\s*(?=@)")
SUMS = re.compile(r"@(?:\s*(?:\*\*|//|[-+*/])\s*@)+")
COMMENTS = re.compile(r"#.*")
BARE_WORDS = re.compile(r"(?<=[:=])\s*[\w.+-]+\s*$")
FLAGS = re.compile(r"(?<=\s)(--[\w-]+)[ =]+[^\s-]\S*")
CONFIGS = (".yaml", ".yml", ".toml", ".json", ".cfg", ".ini", ".sh")


def kind_of(diff: str | None) -> Kind:
    """Return the kind of the idea whose patch this is, in whatever form a model wrote it."""
    edits = edits_in(diff) if isinstance(diff, str) else Rejection
    if not isinstance(edits, tuple):
        return Kind.UNCLEAR
    changes = [one for edit in edits for one in _changes(edit)]
    if not any(changes):
        return Kind.UNCLEAR
    same = all(removed == added for removed, added in changes)
    return Kind.HYPERPARAMETER if same else Kind.ALGORITHMIC


def _changes(edit: Edit) -> list[tuple[list[str], list[str]]]:
    """Return the lines out and the lines in of each hunk, their values blotted out."""
    hunks: tuple[Hunk, ...] = (edit.as_hunk(),) if isinstance(edit, Replacement) else edit.hunks
    name = " ".join(edit.words) if isinstance(edit, Replacement) else edit.new
    is_config = name.split("\t")[0].strip().endswith(CONFIGS)
    found = [
        tuple(
            [
                blotted
                for line in hunk.lines
                if line.op is op and (blotted := _blotted(line.text, is_config=is_config))
            ]
            for op in (Op.REMOVED, Op.ADDED)
        )
        for hunk in hunks
    ]
    return [(removed, added) for removed, added in found if removed or added]


def _blotted(line: str, *, is_config: bool) -> str:
    line = COMMENTS.sub("", STRINGS.sub("@", line))
    line = CONSTANTS.sub("@", NUMBERS.sub("@", line))
    line = SUMS.sub("@", SIGNS.sub(r"\1", line))
    if is_config:
        line = BARE_WORDS.sub("@", FLAGS.sub(r"\1 @", line))
    return " ".join(line.split())
