"""A model's answer -> its ideas: `[Experiment] ... [Code Changes] ... [End]` blocks, tolerantly.

Models add numbers, bold face, headings and prose around the markers, forget `[End]`, or stop in
the middle of the last block; none of that costs a complete idea.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARKER = re.compile(
    r"^[ \t#>*_\-\d.)]*\[\s*(experiment|code\s+changes?|parents?|end)[^\]\n]{0,40}\][ \t*_:]*",
    re.IGNORECASE | re.MULTILINE,
)
IDEA_ID = re.compile(r"\be\d{2,9}-i\d{3,9}\b")
LONGEST_IDEA = 20_000


@dataclass(frozen=True, slots=True)
class Block:
    """One idea as the model wrote it; `parents` are the ids of past ideas that it names."""

    experiment: str
    code_changes: str
    parents: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the idea in its one canonical form."""
        return f"[Experiment] {self.experiment}\n[Code Changes] {self.code_changes}"


def parse_blocks(answer: str, *, is_cut: bool = False) -> tuple[Block, ...]:
    """Return the complete ideas of an answer, in order; a block lacking a part is left out.

    Of an answer that was cut off, so is a last block without its `[End]`.
    """
    blocks: list[Block] = []
    parts: dict[str, str] = {}
    for name, text in _sections(answer):
        if name in {"experiment", "end"}:
            blocks += _complete(parts)
            parts = {}
        if name != "end":
            parts[name] = text
    return tuple(blocks if is_cut else blocks + _complete(parts))


def _sections(answer: str) -> list[tuple[str, str]]:
    """Return (marker, text up to the next marker) pairs."""
    markers = list(MARKER.finditer(answer))
    ends = [*(marker.start() for marker in markers[1:]), len(answer)]
    return [
        (_name(marker[1]), answer[marker.end() : end].strip())
        for marker, end in zip(markers, ends, strict=False)
    ]


def _name(marker: str) -> str:
    word = marker.split()[0].lower()
    return {"parent": "parents"}.get(word, word)


def _complete(parts: dict[str, str]) -> list[Block]:
    experiment, changes = parts.get("experiment", ""), parts.get("code", "")
    if not experiment or not changes or len(experiment) + len(changes) > LONGEST_IDEA:
        return []
    named = dict.fromkeys(IDEA_ID.findall(parts.get("parents", "")))
    return [Block(experiment, changes, tuple(named))]
