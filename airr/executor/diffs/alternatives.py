"""Words between edits -> does the answer offer alternatives, or take back what stands above?

All edits of an answer are applied. Where a later one is meant instead of an earlier one, applying
both would build what nobody asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from airr.executor.diffs.edits import Edit

OPTION = re.compile(
    r"\W*(?:option|alternative|variant|approach|version|choice|solution|possibility)\b"
    r"(?:\s+#?(?:\d|[a-z]\b|two\b|three\b)|\W*$)",
    re.IGNORECASE,
)
INSTEAD = re.compile(
    r"\W*(?:alternatively|instead|or else|or|on second thought|scratch that|correction|oops|"
    r"wait|hmm|actually|let me (?:redo|fix|correct|rewrite|revise|try)\b.*)\W",
    re.IGNORECASE,
)
CORRECTED = re.compile(
    r"\b(?:corrected|revised|updated|fixed|final|improved|better|simpler|alternative|other)\s+"
    r"(?:unified\s+)?(?:diff|patch|version|solution|answer|implementation|approach)\b",
    re.IGNORECASE,
)


def second_thought(edits: Sequence[Edit]) -> str | None:
    """Return the line of text by which an edit takes the place of one above it, or None."""
    for edit in edits[1:]:
        for line in edit.words:
            if OPTION.match(line) or INSTEAD.match(f"{line} ") or CORRECTED.search(line):
                return line
    return None
