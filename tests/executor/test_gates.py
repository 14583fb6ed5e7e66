"""Which changed trees may be run, and why the others may not."""

import pytest

from airr.executor.diffs.gates import changed_paths, check_gates
from airr.executor.diffs.rejection import Rejection
from airr.records import Reason

BEFORE = {"train.py": "x = 1\n", "lib/data.py": "y = 1\n", "notes.txt": "n\n"}


def gate(after: dict[str, str], limit_kb: float = 1) -> Rejection | None:
    return check_gates(BEFORE, after, editable=("*.py", "*.md"), limit_kb=limit_kb)


def reason(after: dict[str, str], limit_kb: float = 1) -> Reason | None:
    found = gate(after, limit_kb)
    return found.reason if found else None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train.py": "x = 2\n"}, None),
        ({"new/model.py": "z = 1\n"}, None),
        ({}, Reason.EMPTY_PATCH),
        ({"notes.txt": "m\n"}, Reason.LOCKED_FILE),
        ({"new.sh": "ls\n"}, Reason.LOCKED_FILE),
        ({"../up.py": "z = 1\n"}, Reason.ILLEGAL_PATH),
        ({"/etc/up.py": "z = 1\n"}, Reason.ILLEGAL_PATH),
        ({"TRAIN.py": "z = 1\n"}, Reason.ILLEGAL_PATH),
        ({"lib": "z = 1\n"}, Reason.ILLEGAL_PATH),
        ({"train.py/x.py": "z = 1\n"}, Reason.ILLEGAL_PATH),
        ({"__pycache__/x.py": "z = 1\n"}, Reason.ILLEGAL_PATH),
        ({"x" * 300 + ".py": "z = 1\n"}, Reason.ILLEGAL_PATH),
        ({"long.md": "é" * 501}, Reason.TOO_LARGE),
        ({"a.md": "a" * 600, "b.md": "b" * 600}, Reason.TOO_LARGE),
        ({"odd.md": "a\0b"}, Reason.SYNTAX),
        ({"odd.md": "\ud800"}, Reason.SYNTAX),
        ({"train.py": "x = (\n"}, Reason.SYNTAX),
        ({"train.py": "\tx = 1\n"}, Reason.SYNTAX),
        ({"train.py": "return 1\n"}, Reason.SYNTAX),
        ({"train.py": "# coding: nonsense\n"}, Reason.SYNTAX),
        ({"train.py": "x = 1 is 1\n"}, None),
        ({"broken.md": "x = (\n"}, None),
    ],
)
def test_a_changed_tree_passes_or_is_refused_by_the_gate_it_meets_first(
    changes: dict[str, str], expected: Reason | None
):
    assert reason({**BEFORE, **changes}) is expected


def test_deleting_an_editable_file_passes_and_deleting_a_locked_one_does_not():
    assert reason({path: BEFORE[path] for path in ("lib/data.py", "notes.txt")}) is None
    assert (
        reason({path: BEFORE[path] for path in ("lib/data.py", "train.py")}) is Reason.LOCKED_FILE
    )


def test_a_file_that_was_large_before_may_still_be_changed():
    before = {"train.py": "x = 1\n" * 1000}
    after = {"train.py": "x = 2\n" * 1000}
    assert check_gates(before, after, editable=("*",), limit_kb=1) is None


def test_every_locked_file_and_every_syntax_error_is_named_at_once():
    locked = gate({**BEFORE, "a.sh": "", "b.sh": ""})
    assert locked is not None
    assert "a.sh, b.sh" in locked.detail
    broken = gate({**BEFORE, "a.py": "x = (\n", "b.py": "1 +\n"})
    assert broken is not None
    assert "a.py as patched does not compile" in broken.detail
    assert "b.py as patched does not compile" in broken.detail


def test_what_the_baseline_holds_is_never_judged():
    before = {"odd name.py": "x = (\n", "train.py": "x = 1\n"}
    after = {**before, "train.py": "x = 2\n"}
    assert check_gates(before, after, editable=("*",), limit_kb=1) is None


def test_changed_paths_are_those_added_removed_and_edited():
    after = {"train.py": "x = 2\n", "lib/data.py": "y = 1\n", "new.py": ""}
    assert changed_paths(BEFORE, after) == ("new.py", "notes.txt", "train.py")
