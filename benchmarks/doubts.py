"""Answers that leave in doubt what they mean, or mean nothing: right is to refuse them.

Made from correct diffs too, one function for each kind; None where a diff does not lend itself.
"""

from __future__ import annotations

import re
from random import Random

from benchmarks.corpus import Case, FileDiff, Hunk, rendered
from benchmarks.malformations import Habit, blocks, fenced


def elided_context(case: Case, rng: Random) -> str | None:
    """Write ... for lines of the file in the middle of a hunk."""
    files, hunk = _pick(case, rng)
    old = [at for at, line in enumerate(hunk.lines) if line[0] != "+"] if hunk else []
    if hunk is None or len(old) < 4:
        return None
    at = old[1]
    hunk.lines[at : at + 1] = ["     ..."]
    return fenced(rendered(files))


def elided_addition(case: Case, rng: Random) -> str | None:
    """Write a comment for lines that should be added."""
    files, hunk = _pick(case, rng)
    added = [at for at, line in enumerate(hunk.lines) if line[0] == "+"] if hunk else []
    if hunk is None or not added:
        return None
    indent = re.match(r".\s*", hunk.lines[added[-1]])
    hunk.lines[added[-1]] = (
        f"{indent[0] if indent else '+'}# ... rest of the code remains unchanged ..."
    )
    return fenced(rendered(files))


def elided_block(case: Case, _: Random) -> str | None:
    """Write ... between the first and the last line of a block to be found."""
    text = blocks(case)
    found = re.sub(
        r"(SEARCH\n.*\n)(?:.*\n){2,}?(.*\n=======)", r"\1...\n\2", text, count=1, flags=re.MULTILINE
    )
    return None if found == text else found


def repeated_lines(case: Case, _: Random) -> str | None:
    """Leave no more context than stands in several places of the file."""
    for file in case.files():
        old = case.before.get(file.path, "").split("\n")
        for hunk in file.hunks if file.is_plain else ():
            short = _shortest_repeated(hunk, old)
            if short is not None:
                part = FileDiff(file.headers, [Hunk("@@", 0, 0, short)])
                return fenced(rendered([part]))
    return None


def _shortest_repeated(hunk: Hunk, old: list[str]) -> list[str] | None:
    """Return an inner part of a hunk, with all of a change, that fits several places."""
    changed = [at for at, line in enumerate(hunk.lines) if line[0] in "+-"]
    first, last = changed[0], changed[-1] + 1
    for before, behind in ((1, 0), (0, 1), (0, 0), (1, 1)):
        part = hunk.lines[max(first - before, 0) : last + behind]
        lines = [line[1:] for line in part if line[0] in " -"]
        places = sum(old[at : at + len(lines)] == lines for at in range(len(old)))
        if lines and places > 1:
            return part
    return None


def imagined_context(case: Case, rng: Random) -> str | None:
    """Write a line of context that the file does not have."""
    files, hunk = _pick(case, rng)
    context = [at for at, line in enumerate(hunk.lines) if line[0] == " "] if hunk else []
    if hunk is None or not context:
        return None
    hunk.lines[rng.choice(context)] = "     self.imagined = nn.Imagined(config.width)"
    return fenced(rendered(files))


def imagined_removal(case: Case, rng: Random) -> str | None:
    """Remove a line that does not exist."""
    files, hunk = _pick(case, rng)
    if hunk is None:
        return None
    at = next(at for at, line in enumerate(hunk.lines) if line[0] != " ")
    hunk.lines.insert(at, "-    self.imagined = None")
    return fenced(rendered(files))


def imagined_file(case: Case, _: Random) -> str | None:
    """Change a file that is not there."""
    path = case.files()[0].path
    if not case.files()[0].is_plain:
        return None
    stem, dot, ending = path.rpartition(".")
    return fenced(case.text.replace(path, f"{stem}_utils{dot}{ending}"))


def wrong_file(case: Case, _: Random) -> str | None:
    """Write the changes of one file under the name of another."""
    files = case.files()
    others = [path for path in case.before if path != files[0].path and path.endswith(".py")]
    if len(files) != 1 or not files[0].is_plain or not others:
        return None
    return fenced(case.text.replace(files[0].path, others[0]))


def cut_off(case: Case, rng: Random) -> str | None:
    """End within the last hunk, as at a limit of tokens."""
    lines = fenced(case.text).splitlines(keepends=True)
    first = max((at for at, line in enumerate(lines) if line.startswith("@@")), default=None)
    if first is None:
        return None
    return "".join(lines[: rng.randint(first + 1, len(lines) - 2)])


def options(case: Case, rng: Random) -> str | None:
    """Offer two diffs to choose from, the second with other numbers or one change less."""
    other = _other(case, rng)
    if other is None:
        return None
    return f"Option A:\n\n{fenced(case.text)}\nOption B, which is simpler:\n\n{fenced(other)}"


def corrected_draft(case: Case, rng: Random) -> str | None:
    """Write a draft, then think again."""
    other = _other(case, rng)
    if other is None:
        return None
    return f"{fenced(other)}\nWait, that is not right. The corrected diff:\n\n{fenced(case.text)}"


def silent_draft(case: Case, _: Random) -> str | None:
    """Add other lines at the same place once more, with no word between the two diffs."""
    files = case.files()
    hunks = [hunk for file in files for hunk in file.hunks]
    if len(files) != 1 or not files[0].is_plain or len(hunks) != 1:
        return None
    at = max((at for at, line in enumerate(hunks[0].lines) if line[0] == "+"), default=None)
    if at is None:
        return None
    draft = rendered(files)
    hunks[0].lines[at] += "  # better"
    return f"{fenced(draft)}\n{fenced(rendered(files))}"


def overlapping_hunks(case: Case, rng: Random) -> str | None:
    """Change the same line in two hunks."""
    files, hunk = _pick(case, rng)
    removed = [line for line in hunk.lines if line[0] == "-"] if hunk else []
    if hunk is None or not removed or not files[0].is_plain:
        return None
    file = next(file for file in files if hunk in file.hunks)
    again = [line for line in hunk.lines if line[0] != "+"]
    again.insert(again.index(removed[-1]) + 1, f"+{removed[-1][1:]}  # twice")
    file.hunks.append(Hunk(hunk.header, 0, 0, again))
    return fenced(rendered(files))


def without_effect(case: Case, _: Random) -> str | None:
    """Put each removed line back, and add nothing else."""
    files = [file for file in case.files() if file.is_plain]
    found = False
    for hunk in (hunk for file in files for hunk in file.hunks):
        hunk.lines = [line for line in hunk.lines if line[0] in " -"]
        for at, line in reversed(list(enumerate(hunk.lines))):
            if line[0] == "-":
                found = True
                hunk.lines.insert(at + 1, f"+{line[1:]}")
    return fenced(rendered(files)) if found else None


def in_words(case: Case, _: Random) -> str | None:
    """Describe the change as a list, without headers."""
    changed = [line for line in case.text.splitlines() if re.match(r"[-+](?![-+])", line)]
    return "Change these lines:\n\n" + "\n".join(changed) + "\n" if changed else None


def whole_file(case: Case, _: Random) -> str | None:
    """Write the file anew, as a block of code."""
    path = case.files()[0].path
    return f"`{path}`:\n\n```python\n{case.after.get(path, '')}```\n"


def escaped(case: Case, _: Random) -> str | None:
    """Escape the diff as for HTML."""
    text = case.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    changed = any(re.search("[<>&]", line) for line in case.text.splitlines() if line[:1] == " ")
    return fenced(text) if changed else None


DOUBTFUL: dict[str, Habit] = {
    "context elided by ...": elided_context,
    "added lines elided": elided_addition,
    "search/replace elided by ...": elided_block,
    "lines that stand in several places": repeated_lines,
    "imagined context": imagined_context,
    "removed lines that do not exist": imagined_removal,
    "imagined file": imagined_file,
    "the wrong file": wrong_file,
    "cut off at the limit": cut_off,
    "option A, option B": options,
    "a draft and its correction": corrected_draft,
    "a draft and another, no word": silent_draft,
    "hunks that overlap": overlapping_hunks,
    "no change": without_effect,
    "a diff in words": in_words,
    "the whole file anew": whole_file,
    "escaped as HTML": escaped,
}
"""What may not be applied, whatever comes of it."""


def _pick(case: Case, rng: Random) -> tuple[list[FileDiff], Hunk | None]:
    """Return the diff in parts, and one of the hunks of its plain files."""
    files = case.files()
    hunks = [hunk for file in files if file.is_plain for hunk in file.hunks]
    return files, rng.choice(hunks) if hunks else None


def _other(case: Case, rng: Random) -> str | None:
    """Return another diff of the same codebase: this one without a hunk, or with other numbers."""
    files = case.files()
    several = [file for file in files if len(file.hunks) > 1]
    if several:
        del several[0].hunks[rng.randrange(len(several[0].hunks))]
        return rendered(files)
    text = re.sub(r"^(\+.*\D)(\d+)", r"\g<1>1\2", case.text, count=1, flags=re.MULTILINE)
    return None if text == case.text else text
