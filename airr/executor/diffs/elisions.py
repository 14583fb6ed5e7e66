"""Lines that stand for code which the model did not write out: `...`, `# rest unchanged`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airr.executor.diffs.edits import Hunk, Op

LONGEST = 120
COMMENT = ("#", "//", "/*", "<!--", "<", "[", "(", "--")
SUBJECTS = frozenset({"rest", "remaining", "remainder", "existing", "other", "previous", "code"})
CLAIMS = frozenset({"unchanged", "same", "omitted", "elided", "remains", "remain", "stays"})
SUBJECT_ONLY = re.compile(
    r"(the )?(rest|remainder) of (the |this )?(code|file|function|class|method|module)|"
    r"(the )?(existing|remaining|previous|other) code( here| above| below)?|"
    r"unchanged|same as before"
)


def elision_added(hunk: Hunk, lines: Sequence[str]) -> str | None:
    """Return the first added line that abbreviates code, unless the file holds that very line.

    `lines` are the file's. A lone `...` is Python where it is the body of what the line above
    opens.
    """
    above = ""
    for line in hunk.lines:
        if line.op is Op.REMOVED:
            continue
        text = line.text.strip()
        is_body = text == "..." and above.endswith((":", '"""'))
        abbreviates = line.op is Op.ADDED and is_elision(text) and not is_body
        if abbreviates and all(text != known.strip() for known in lines):
            return line.text
        above = text or above
    return None


def is_elision(line: str) -> bool:
    """Tell whether a line reads as a placeholder for code that is left out."""
    text = line.strip()
    if len(text) > LONGEST:
        return False
    if text in {"...", "…"}:
        return True
    if not text.startswith((*COMMENT, "...", "…")):
        return False
    dotted = "..." in text or "…" in text
    words = re.findall(r"[a-z]+", text.lower())
    if dotted and (not words or SUBJECTS & set(words) or CLAIMS & set(words)):
        return True
    if SUBJECT_ONLY.fullmatch(" ".join(words)):
        return True
    return bool(SUBJECTS & set(words) and CLAIMS & set(words)) and len(words) <= 10
