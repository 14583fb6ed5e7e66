"""Random edits of random trees: what the diff says is what the answer applies, or nothing is."""

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airr.executor.diffs import Rejection, apply_answer, unified_diff
from airr.records import Reason
from benchmarks.corpus import Case
from benchmarks.doubts import DOUBTFUL
from benchmarks.malformations import MENDABLE

Tree = Mapping[str, str]

# few letters, so that repeats are common; and whatever diffs, fences and prompts are made of
TRICKY = ("-- a/x.txt", "++ b/x.txt", "```", "@@ -1 +1 @@", "-x", "+x", "\\ x", "=======")
WORDS = st.sampled_from(("", " ", "a", "b", "    a", "\tb", "a\r", "a \x0c", "é\u2028", *TRICKY))
PLAIN_WORDS = st.sampled_from(("a", "b", "c", "    a", "    b", "def f():", "x = 1", "y"))
PATHS = st.sampled_from(("x.txt", "a/x.txt", "b/x.txt", "d/y.txt", "z.txt"))


def texts(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(words, max_size=14), st.booleans()).map(
        lambda made: "\n".join(made[0]) + ("\n" if made[1] and made[0] else "")
    )


@st.composite
def edited(draw: st.DrawFn, words: st.SearchStrategy[str]) -> tuple[Tree, Tree]:
    """Return a tree and an edited form of it: lines put in, taken out and replaced, files too."""
    before: dict[str, str] = draw(st.dictionaries(PATHS, texts(words), min_size=1, max_size=3))
    after: dict[str, str] = {}
    for path, text in before.items():
        lines = text.split("\n")
        for _ in range(draw(st.integers(0, 3))):
            start = draw(st.integers(0, len(lines)))
            stop = draw(st.integers(start, min(start + 2, len(lines))))
            lines[start:stop] = draw(st.lists(words, max_size=2))
        if draw(st.integers(0, 5)):
            after[path] = "\n".join(lines)
    if not draw(st.integers(0, 3)):
        after |= draw(st.dictionaries(PATHS, texts(words), max_size=1))
    return before, after


def apply(answer: str, tree: Tree) -> dict[str, str] | Rejection:
    return apply_answer(answer, tree, editable=("*",), limit_kb=100)


@settings(max_examples=200)
@given(edited(WORDS))
def test_a_canonical_diff_gives_back_exactly_the_tree_it_was_made_from(trees: tuple[Tree, Tree]):
    before, after = trees
    found = apply(unified_diff(before, after), before)
    if before == after:
        assert isinstance(found, Rejection)
        assert found.reason is Reason.NO_PATCH
    else:
        assert found == after


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edited(WORDS))
def test_git_applies_a_canonical_diff_to_the_same_tree(tmp_path: Path, trees: tuple[Tree, Tree]):
    before, after = trees
    if before == after:
        return
    for old in sorted(tmp_path.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() else old.unlink()
    for path, text in before.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        input=unified_diff(before, after).encode(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {p.relative_to(tmp_path).as_posix(): p.read_bytes().decode() for p in files} == after


HEADER = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


def restated(diff: str, start: int, old: int, new: int) -> str:
    """Return the diff with these numbers added to what its hunk headers state."""

    def header(found: re.Match[str]) -> str:
        a, b, c, d = map(int, found.groups("1"))
        return f"@@ -{a + start},{max(b + old, 0)} +{c + start},{max(d + new, 0)} @@"

    return HEADER.sub(header, diff)


def with_counts_too_small(diff: str) -> str:
    return restated(diff, 0, -1, -1)


def with_old_count_too_small(diff: str) -> str:
    return restated(diff, 0, -1, 0)


def with_counts_too_large(diff: str) -> str:
    return restated(diff, 0, 1, 2)


def with_wrong_starts(diff: str) -> str:
    return restated(diff, 40, 0, 0)


def with_bare_headers(diff: str) -> str:
    return re.sub(r"^@@ .*@@$", "@@", diff, flags=re.MULTILINE)


def without_prefixes(diff: str) -> str:
    diff = re.sub(r"^diff --git a/(.*) b/(.*)$", r"diff --git \1 \2", diff, flags=re.MULTILINE)
    return re.sub(r"^(---|\+\+\+) [ab]/", r"\1 ", diff, flags=re.MULTILINE)


def without_git_lines(diff: str) -> str:
    return re.sub(r"^diff --git .*\n", "", diff, flags=re.MULTILINE)


def fenced(diff: str) -> str:
    return f"Here is the patch:\n\n```diff\n{diff}```\n\nIt changes:\n- one thing\n+ another\n"


def with_prose_around(diff: str) -> str:
    return f"I did this:\n\n{diff}\nThat is all. Notes:\n- it is small\n"


def with_crlf(diff: str) -> str:
    return diff.replace("\n", "\r\n")


def with_stripped_blank_context(diff: str) -> str:
    return re.sub(r"^ +$", "", diff, flags=re.MULTILINE)


def with_bare_context(diff: str) -> str:
    return re.sub(r"^ (?=\S)", "", diff, flags=re.MULTILINE)


def without_newline_marks(diff: str) -> str:
    return diff.replace("\\ No newline at end of file\n", "")


def with_line_numbers(diff: str) -> str:
    """Put the number of the old file before each expected line, as the prompt shows it."""
    out: list[str] = []
    number = 0
    for line in diff.removesuffix("\n").split("\n"):
        if line.startswith("@@"):
            number = int(line.split("-")[1].split(" ")[0].split(",")[0])
            out.append(line)
        elif line.startswith(("diff ", "new file", "deleted", "--- ", "+++ ", "\\")):
            out.append(line)
        else:
            out.append(f"{line[0]}{number:>4} | {line[1:]}")
            number += not line.startswith("+")
    return "\n".join(out) + "\n"


MUTATIONS: tuple[Callable[[str], str], ...] = (
    with_line_numbers,
    with_counts_too_small,
    with_old_count_too_small,
    with_counts_too_large,
    with_wrong_starts,
    with_bare_headers,
    without_prefixes,
    without_git_lines,
    with_bare_context,
    with_stripped_blank_context,
)
WRAPPINGS: tuple[Callable[[str], str], ...] = (str, fenced, with_prose_around, with_crlf)


@settings(max_examples=500)
@given(
    edited(PLAIN_WORDS), st.sets(st.sampled_from(MUTATIONS), max_size=2), st.sampled_from(WRAPPINGS)
)
def test_a_mutated_diff_gives_the_same_tree_or_a_rejection_and_never_a_third_thing(
    trees: tuple[Tree, Tree], mutations: set[Callable[[str], str]], wrap: Callable[[str], str]
):
    before, after = trees
    assume(before != after)
    diff = unified_diff(before, after)
    for mutate in sorted(mutations, key=MUTATIONS.index):
        diff = mutate(diff)
    found = apply(wrap(diff), before)
    assert isinstance(found, Rejection) or found == after


def case_of(before: Tree, after: Tree) -> Case:
    return Case(name="random", before=before, after=after, text=unified_diff(before, after))


MEANT = sorted(MENDABLE.keys() - {"dedented as a whole", "search/replace, dedented"})
"""Habits that leave no doubt; dedented lines may stand elsewhere in the file, letter by letter."""
SILENT_ABOUT_THE_END = {kind for kind in MEANT if "search/replace" in kind or "not said" in kind}


@settings(max_examples=400)
@given(edited(PLAIN_WORDS), st.sampled_from(MEANT), st.integers(0, 3))
def test_an_answer_with_a_habit_of_models_gives_the_tree_it_means_or_a_rejection(
    trees: tuple[Tree, Tree], kind: str, seed: int
):
    before, after = trees
    if kind in SILENT_ABOUT_THE_END:
        before, after = ({path: f"{text}\n" for path, text in one.items()} for one in trees)
    answer = MENDABLE[kind](case_of(before, after), Random(seed)) if before != after else None
    assume(answer is not None)
    found = apply(answer or "", before)
    assert isinstance(found, Rejection) or found == after


NEVER = ("cut off at the limit", "option A, option B", "a draft and its correction", "no change")


@settings(max_examples=200)
@given(edited(PLAIN_WORDS), st.sampled_from(NEVER), st.integers(0, 3))
def test_an_answer_that_cannot_be_meant_is_never_applied(
    trees: tuple[Tree, Tree], kind: str, seed: int
):
    answer = DOUBTFUL[kind](case_of(*trees), Random(seed)) if trees[0] != trees[1] else None
    assume(answer is not None)
    assert isinstance(apply(answer or "", trees[0]), Rejection)


@pytest.mark.parametrize("mutate", [*MUTATIONS, *WRAPPINGS, without_newline_marks])
def test_each_kind_of_mutation_is_mended_where_context_is_unique(mutate: Callable[[str], str]):
    lines = [f"value_{n} = {n}" if n % 5 else "" for n in range(1, 60)]
    before = {"d/y.txt": "\n".join(lines) + "\n", "z.txt": "keep\n"}
    lines[7:9] = ["    new = 1", "", "other = 2"]
    lines[40:41] = []
    after = {**before, "d/y.txt": "\n".join(lines) + "\n"}
    assert apply(mutate(unified_diff(before, after)), before) == after
