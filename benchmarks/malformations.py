"""What models write for a diff: one function for each habit, from a correct diff to an answer.

Each returns None where the diff has nothing that the habit could damage.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from benchmarks.corpus import Case, FileDiff, Hunk, lines_of, rendered

Habit = Callable[[Case, Random], str | None]
PROSE = "Here is the patch:\n\n", "\nIt changes:\n- one thing\n+ another one\n"


def fenced(diff: str) -> str:
    """Return an answer as a prompt asks for it."""
    return f"```diff\n{diff}```\n"


def in_parts(damage: Callable[[list[FileDiff], Random], bool]) -> Habit:
    """Return a habit that damages the parts of a diff; `damage` tells whether it found any."""

    def habit(case: Case, rng: Random) -> str | None:
        files = case.files()
        return fenced(rendered(files)) if damage(files, rng) else None

    return habit


def in_lines(pattern: str, put: str) -> Habit:
    """Return a habit that replaces a pattern throughout the text of the diff."""

    def habit(case: Case, _: Random) -> str | None:
        text = re.sub(pattern, put, case.text, flags=re.MULTILINE)
        return None if text == case.text else fenced(text)

    return habit


def in_header(change: Callable[[Hunk, Random], str]) -> Habit:
    """Return a habit that writes another @@ line above each hunk."""

    def damage(files: list[FileDiff], rng: Random) -> bool:
        for hunk in (hunk for file in files for hunk in file.hunks):
            hunk.header = change(hunk, rng)
        return True

    return in_parts(damage)


def with_header(header: str) -> Habit:
    """Return a habit that writes the same @@ line above every hunk."""
    return in_header(lambda *_: header)


def ranges(hunk: Hunk, start: int = 0, old: int = 0, new: int = 0) -> str:
    """Return a hunk's @@ line with so much added to its numbers."""
    a, b = hunk.counts
    first, second = max(hunk.old_start + start, 1), max(hunk.new_start + start, 1)
    return f"@@ -{first},{max(a + old, 0)} +{second},{max(b + new, 0)} @@"


def without_a_range(case: Case, _: Random) -> str | None:
    """Leave the @@ lines out; what is left can only be told apart with one hunk a file."""
    files = case.files()
    if any(len(file.hunks) != 1 or not file.is_plain for file in files):
        return None
    for file in files:
        file.hunks[0].header = ""
    return fenced(rendered(files))


def path_in_words(case: Case, _: Random) -> str | None:
    """Name the file in the words above a block of bare hunks."""
    files = case.files()
    if not all(file.is_plain for file in files):
        return None
    hunks = ["".join(f"{line}\n" for line in lines_of(FileDiff([], file.hunks))) for file in files]
    return "\n".join(
        f"In `{file.path}`:\n\n{fenced(text)}" for file, text in zip(files, hunks, strict=True)
    )


def one_header_alone(case: Case, _: Random) -> str | None:
    """Write only the +++ line of a file that is changed."""
    files = case.files()
    if not all(file.is_plain for file in files):
        return None
    for file in files:
        file.headers = [f"+++ b/{file.path}"]
    return fenced(rendered(files))


def without_git_lines(case: Case, _: Random) -> str | None:
    """Leave out all headers but --- and +++; a rename cannot be said without them."""
    files = case.files()
    if any(line.startswith("rename ") for file in files for line in file.headers):
        return None
    for file in files:
        file.headers = [line for line in file.headers if line.startswith(("--- ", "+++ "))]
    return fenced(rendered(files)) if all(file.headers for file in files) else None


def both_names_for_a_new_file(case: Case, _: Random) -> str | None:
    """Write the path of a new file in place of /dev/null."""
    if "--- /dev/null" not in case.text:
        return None
    text = re.sub(
        r"^--- /dev/null\n\+\+\+ b/(.*)$", r"--- a/\1\n+++ b/\1", case.text, flags=re.MULTILINE
    )
    return fenced(re.sub(r"^(new file mode|index) .*\n", "", text, flags=re.MULTILINE))


def deletion_without_lines(case: Case, _: Random) -> str | None:
    """Say that a file goes, and do not write out its lines."""
    files = case.files()
    gone = [file for file in files if any(line.startswith("deleted") for line in file.headers)]
    for file in gone:
        file.headers, file.hunks = file.headers[:2], []
    return fenced(rendered(files)) if gone else None


def rename_without_similarity(case: Case, _: Random) -> str | None:
    """Leave out how similar a renamed file is, and its hashes."""
    if "rename from" not in case.text:
        return None
    return fenced(re.sub(r"^(similarity index|index) .*\n", "", case.text, flags=re.MULTILINE))


def in_prose(case: Case, _: Random) -> str:
    return PROSE[0] + fenced(case.text) + PROSE[1]


def without_a_fence(case: Case, _: Random) -> str:
    return PROSE[0] + case.text + PROSE[1]


def in_a_list(case: Case, _: Random) -> str:
    """Indent the block as part of a list item."""
    block = "".join(f"   {line}\n" for line in fenced(case.text).splitlines())
    return f"1. Apply this:\n\n{block}\n2. Run it.\n"


def in_crlf(case: Case, _: Random) -> str:
    return in_prose(case, _).replace("\n", "\r\n")


def block_in_crlf(case: Case, _: Random) -> str:
    return f"Here:\n```diff\n{case.text.replace(chr(10), chr(13) + chr(10))}```\nDone.\n"


def blank_lines_stripped(files: list[FileDiff], _: Random) -> bool:
    return _each_line(files, lambda line: "" if line == " " else line)


def added_blanks_stripped(files: list[FileDiff], _: Random) -> bool:
    return _each_line(files, lambda line: "" if line == "+" else line)


def context_unmarked(files: list[FileDiff], _: Random) -> bool:
    return _each_line(files, lambda line: line.removeprefix(" ") if line.strip() else line)


def context_in_tabs(files: list[FileDiff], _: Random) -> bool:
    return _each_line(files, lambda line: _tabbed(line) if line.startswith(" ") else line)


def all_in_tabs(files: list[FileDiff], _: Random) -> bool:
    """Write tabs for spaces in files that have none; a new file may have what it likes."""
    return _each_line([file for file in files if file.is_plain], _tabbed)


def tabs_as_spaces(files: list[FileDiff], _: Random) -> bool:
    plain = [file for file in files if file.is_plain]
    return _each_line(plain, lambda line: line.replace("\t", "    "))


def trailing_spaces(files: list[FileDiff], _: Random) -> bool:
    return _each_line(files, lambda line: line + "  " if line[0] in " -" else line)


def dedented(files: list[FileDiff], _: Random) -> bool:
    """Shift each hunk to the left by what all of its lines have."""
    found = False
    for hunk in (hunk for file in files for hunk in file.hunks):
        bodies = [line[1:] for line in hunk.lines if line[1:].strip() and line[0] != "\\"]
        width = min((len(text) - len(text.lstrip(" ")) for text in bodies), default=0)
        hunk.lines = [line[0] + line[1 + width :] if width else line for line in hunk.lines]
        found = found or width > 0
    return found


def context_dedented(files: list[FileDiff], _: Random) -> bool:
    """Shift what stands in the file to the left, and leave the added lines as they should be."""
    return _each_line(
        files, lambda line: re.sub(r"^([ -])    ", r"\1", line) if line[0] in " -" else line
    )


def line_numbers(files: list[FileDiff], _: Random, *, added: bool) -> bool:
    """Copy the line numbers of the prompt along, to all lines or to those of the file alone."""
    for hunk in (hunk for file in files for hunk in file.hunks):
        number = hunk.old_start or 1
        for at, line in enumerate(hunk.lines):
            if line[0] == "\\":
                continue
            if line[0] != "+" or added:
                hunk.lines[at] = f"{line[0]}{number:>4} | {line[1:]}"
            number += line[0] != "+" or not hunk.old_start
    return True


def numbered(files: list[FileDiff], rng: Random) -> bool:
    return line_numbers(files, rng, added=True)


def old_lines_numbered(files: list[FileDiff], rng: Random) -> bool:
    return line_numbers(files, rng, added=False)


def signs_behind_numbers(files: list[FileDiff], _: Random) -> bool:
    """Copy the line numbers of the prompt along, and put the signs behind them."""
    for hunk in (hunk for file in files for hunk in file.hunks):
        number = hunk.old_start
        for at, line in enumerate(hunk.lines):
            if line[0] != "\\":
                hunk.lines[at] = f"{number:>4} | {line}"
                number += line[0] != "+"
    return True


def unmarked_end(files: list[FileDiff], _: Random) -> bool:
    """Leave out that the file does not end in a newline."""
    found = False
    for hunk in (hunk for file in files for hunk in file.hunks):
        kept = [line for line in hunk.lines if line[0] != "\\"]
        found = found or kept != hunk.lines
        hunk.lines = kept
    return found


def marked_end(files: list[FileDiff], _: Random) -> bool:
    """Say of the last added line that no newline follows, in the middle of a file."""
    hunk = files[0].hunks[0] if files[0].hunks else None
    if hunk is None or hunk.lines[-1][0] != " " or "+" not in [line[0] for line in hunk.lines]:
        return False
    last = max(at for at, line in enumerate(hunk.lines) if line[0] == "+")
    hunk.lines.insert(last + 1, "\\ No newline at end of file")
    return True


def hunks_reversed(files: list[FileDiff], _: Random) -> bool:
    for file in files:
        file.hunks.reverse()
    return any(len(file.hunks) > 1 for file in files)


def a_block_for_each_hunk(case: Case, _: Random) -> str | None:
    """Give each hunk a block of its own, headers and all, with words between them."""
    files = case.files()
    if not all(file.is_plain for file in files) or sum(len(file.hunks) for file in files) < 2:
        return None
    parts = [FileDiff(file.headers, [hunk]) for file in files for hunk in file.hunks]
    return "\nThen:\n\n".join(fenced(rendered([part])) for part in parts)


def blocks(case: Case, label: str = "{}", *, is_fenced: bool = False, dedent: bool = False) -> str:
    """Return the diff as search/replace blocks."""
    out: list[str] = []
    for file in case.files():
        if dedent:
            dedented([file], Random(0))
        for hunk in file.hunks:
            lines = [line for line in hunk.lines if line[0] != "\\"]
            search, replace = (
                "".join(f"{line[1:]}\n" for line in lines if line[0] in signs)
                for signs in (" -", " +")
            )
            block = f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"
            block = f"```python\n{block}```\n" if is_fenced else block
            out.append(f"{label.format(file.path)}\n{block}")
    return "\n".join(out)


def as_blocks(*, label: str = "{}", is_fenced: bool = False, dedent: bool = False) -> Habit:
    """Return a habit that writes blocks; without the signs, files cannot go or be renamed."""

    def habit(case: Case, _: Random) -> str | None:
        if re.search(r"^(deleted file|rename from)", case.text, re.MULTILINE):
            return None
        if not all(file.hunks for file in case.files()):
            return None
        return blocks(case, label, is_fenced=is_fenced, dedent=dedent)

    return habit


def _swapped(hunk: Hunk, _: Random) -> str:
    old, new = hunk.counts
    return f"@@ -{hunk.old_start},{new} +{hunk.new_start},{old} @@"


def _tabbed(line: str) -> str:
    indent = len(line[1:]) - len(line[1:].lstrip(" "))
    return line[0] + "\t" * (indent // 4) + line[1 + indent // 4 * 4 :]


def _each_line(files: list[FileDiff], change: Callable[[str], str]) -> bool:
    """Change the lines of all hunks, and tell whether any is another one now."""
    found = False
    for hunk in (hunk for file in files for hunk in file.hunks):
        before = hunk.lines
        hunk.lines = [change(line) if line[0] != "\\" else line for line in before]
        found = found or hunk.lines != before
    return found


MENDABLE: dict[str, Habit] = {
    "as it should be": lambda case, _: fenced(case.text),
    "counts too small": in_header(lambda hunk, rng: ranges(hunk, 0, -1, -rng.randint(1, 3))),
    "counts too large": in_header(lambda hunk, rng: ranges(hunk, 0, rng.randint(1, 9), 2)),
    "old and new count swapped": in_header(_swapped),
    "start lines wrong": in_header(lambda hunk, rng: ranges(hunk, rng.randint(2, 40))),
    "start lines and counts wrong": in_header(
        lambda hunk, rng: ranges(hunk, rng.randint(-9, 40), rng.randint(-2, 5), rng.randint(-2, 5))
    ),
    "@@ alone": with_header("@@"),
    "@@ ... @@": with_header("@@ ... @@"),
    "@@ with words for numbers": with_header("@@ class Block(nn.Module): @@"),
    "no @@ line": without_a_range,
    "no --- and +++, path in words": path_in_words,
    "+++ alone": one_header_alone,
    "no diff --git lines": without_git_lines,
    "no a/ and b/": in_lines(r"^(---|\+\+\+) [ab]/", r"\1 "),
    "./ and time stamps": in_lines(
        r"^(---|\+\+\+) [ab]/(.*)$", "\\1 ./\\2\t2026-11-25 10:00:00.000000000 +0000"
    ),
    "prose around the block": in_prose,
    "prose and no block": without_a_fence,
    "block indented in a list": in_a_list,
    "CRLF": in_crlf,
    "CRLF in the block alone": block_in_crlf,
    "tabs for spaces in context": in_parts(context_in_tabs),
    "tabs for spaces everywhere": in_parts(all_in_tabs),
    "spaces for tabs everywhere": in_parts(tabs_as_spaces),
    "spaces at line ends": in_parts(trailing_spaces),
    "blank context without its space": in_parts(blank_lines_stripped),
    "blank added lines without +": in_parts(added_blanks_stripped),
    "context without its space": in_parts(context_unmarked),
    "missing final newline not said": in_parts(unmarked_end),
    "missing final newline said wrongly": in_parts(marked_end),
    "new file under its own name": both_names_for_a_new_file,
    "deleted file without its lines": deletion_without_lines,
    "renamed file without similarity": rename_without_similarity,
    "line numbers of the prompt": in_parts(numbered),
    "line numbers on old lines alone": in_parts(old_lines_numbered),
    "line numbers before the signs": in_parts(signs_behind_numbers),
    "a block for each hunk": a_block_for_each_hunk,
    "hunks in reverse": in_parts(hunks_reversed),
    "dedented as a whole": in_parts(dedented),
    "search/replace": as_blocks(),
    "search/replace in blocks of code": as_blocks(label="**`{}`**", is_fenced=True),
    "search/replace under a label": as_blocks(label="### File: {}"),
    "search/replace, dedented": as_blocks(dedent=True),
}
"""What leaves no doubt of what is meant: right is the tree of the diff that was damaged."""
