"""What models write for diffs: each habit is mended, or refused with the reason why."""

import time
from collections.abc import Sequence

import pytest

from airr.executor.diffs import Rejection, apply_answer, change_between, unified_diff
from airr.records import Reason

MODEL = """import torch


class Block:
    def __init__(self, width):
        self.width = width
        self.scale = 1.0

    def forward(self, x):
        y = x * self.scale
        return y


class Head:
    def __init__(self, width):
        self.width = width

    def forward(self, x):
        return x
"""
TREE = {"model.py": MODEL, "lib/optim.py": "lr = 0.1\nbeta = 0.9\n", "sealed.py": "secret = 1\n"}
EDITABLE = ("model.py", "lib/*", "new*", "*.txt", "sub/*")
TWICE = MODEL.replace("self.scale = 1.0", "self.scale = 2.0")
HEADER = "--- a/model.py\n+++ b/model.py\n"
HUNK = """@@ -6,3 +6,3 @@
         self.width = width
-        self.scale = 1.0
+        self.scale = 2.0
\x20
"""
DIFF = HEADER + HUNK


def apply(
    answer: str,
    tree: dict[str, str] | None = None,
    limit_kb: float = 50,
    editable: Sequence[str] = EDITABLE,
):
    return apply_answer(answer, tree or TREE, editable=editable, limit_kb=limit_kb)


def model_after(answer: str, model: str = MODEL) -> str:
    found = apply(answer, {**TREE, "model.py": model})
    assert not isinstance(found, Rejection), found.detail
    assert {path: text for path, text in found.items() if path != "model.py"} == {
        path: text for path, text in TREE.items() if path != "model.py"
    }
    return found["model.py"]


def refused(answer: str, reason: Reason, *says: str, tree: dict[str, str] | None = None) -> None:
    found = apply(answer, tree)
    assert isinstance(found, Rejection), found
    assert found.reason is reason, found.detail
    for words in says:
        assert words in found.detail


def block(search: str, replace: str, path: str = "model.py") -> str:
    return f"{path}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


MENDED = {
    "as it should be": DIFF,
    "with git's headers": "diff --git a/model.py b/model.py\nindex 0123abc..4567def 100644\n"
    + DIFF,
    "in a fence, with prose": f"Sure!\n\n```diff\n{DIFF}```\n\nNotes:\n- it doubles\n- the scale\n",
    "in a fence of another language": f"```python\n{DIFF}```",
    "in an indented fence": "1. Do:\n   ```diff\n"
    + DIFF.replace("\n", "\n   ").join(["   ", "```"]),
    "with prose and no fence": f"Here:\n{DIFF}\nThis doubles it:\n- twice\n",
    "without prefixes": DIFF.replace("a/model", "model").replace("b/model", "model"),
    "with time stamps": DIFF.replace("model.py\n", "model.py\t2026-01-01 00:00:00\n"),
    "with ./ paths": DIFF.replace("a/model", "./model").replace("b/model", "./model"),
    "with the new path alone": "+++ b/model.py\n" + HUNK,
    "with the old path alone": "--- a/model.py\n" + HUNK,
    "with the path in the words above": "Change `model.py` so:\n```diff\n" + HUNK + "```",
    "with an old name that is none": DIFF.replace("a/model.py", "a/model.py.orig"),
    "with counts that are too small": DIFF.replace("-6,3 +6,3", "-6,1 +6,2"),
    "with counts that are too large": DIFF.replace("-6,3 +6,3", "-6,30 +6,40"),
    "with a wrong start": DIFF.replace("-6,3 +6,3", "-400,3 +1,3"),
    "with a bare @@": DIFF.replace("@@ -6,3 +6,3 @@", "@@"),
    "with @@ ... @@": DIFF.replace("@@ -6,3 +6,3 @@", "@@ ... @@"),
    "with a section for a range": DIFF.replace("@@ -6,3 +6,3 @@", "@@ class Block:"),
    "without an @@ line": DIFF.replace("@@ -6,3 +6,3 @@\n", ""),
    "in CRLF": DIFF.replace("\n", "\r\n"),
    "with its blank context stripped": DIFF.replace("\n \n", "\n\n"),
    "with context that lacks its space": f"```diff\n{HEADER}@@\n        self.width = width\n"
    "-        self.scale = 1.0\n+        self.scale = 2.0\n\n    def forward(self, x):\n```",
    "with trailing spaces": DIFF.replace("width\n", "width  \n"),
    "with tabs in context": DIFF.replace("         self.width", " \tself.width")
    .replace("-        self", "-\tself")
    .replace("+        self", "+\tself"),
    "with less indentation everywhere": DIFF.replace("        self", "    self"),
    "with tabs in context alone": DIFF.replace("         self.width", " \t\tself.width").replace(
        "-        self", "-\t\tself"
    ),
    "in CRLF, in an answer that is not": "Here:\n```diff\n" + DIFF.replace("\n", "\r\n") + "```",
    "with line numbers": f"{HEADER}@@ -6,3 +6,3 @@\n    6 |         self.width = width\n"
    "-   7 |         self.scale = 1.0\n+   7 |         self.scale = 2.0\n    8 | \n",
    "with line numbers before the signs": f"```diff\n{HEADER}@@ -6,3 +6,3 @@\n"
    "   6 |          self.width = width\n   7 | -        self.scale = 1.0\n"
    "     | +        self.scale = 2.0\n   8 |  \n```",
    "with line numbers on old lines alone": f"{HEADER}@@\n    6 |         self.width = width\n"
    "-   7 |         self.scale = 1.0\n+        self.scale = 2.0\n",
    "with a spurious no-newline mark": DIFF.replace("2.0\n", "2.0\n\\ No newline at end of file\n"),
    "as a block": block("        self.scale = 1.0\n", "        self.scale = 2.0\n"),
    "as a block in a fence": "**model.py**\n```python\n"
    + block("        self.scale = 1.0\n", "        self.scale = 2.0\n", path="")
    + "```",
    "as a block with a label": block(
        "        self.scale = 1.0\n", "        self.scale = 2.0\n", path="### File: `model.py`"
    ),
    "as a block without indentation": block("self.scale = 1.0\n", "self.scale = 2.0\n"),
    "as a block with lines around": block(
        "    self.scale = 1.0\n\ndef forward(self, x):\n",
        "    self.scale = 2.0\n\ndef forward(self, x):\n",
    ),
    "as a block in CRLF": block("        self.scale = 1.0\n", "        self.scale = 2.0\n").replace(
        "\n", "\r\n"
    ),
}


@pytest.mark.parametrize("answer", MENDED.values(), ids=MENDED.keys())
def test_a_diff_is_applied(answer: str):
    assert model_after(answer) == TWICE


AMBIGUOUS = f"{HEADER}@@ -15,2 +15,2 @@\n         self.width = width\n-\n+        pass\n"
METHOD = "\n    def size(self):\n        return self.width\n"
REFUSED: dict[str, tuple[str, Reason, tuple[str, ...]]] = {
    "a fence that is never closed": (f"```diff\n{DIFF}", Reason.NO_PATCH, ("was cut off",)),
    "two options": (
        f"Option A:\n```diff\n{DIFF}```\nOption B: instead, leave it and\n```diff\n{HEADER}@@\n"
        "-        return y\n+        return 2 * y\n```",
        Reason.NO_PATCH,
        ("alternatives or drafts", "Option B", "decide for one"),
    ),
    "a draft and its correction": (
        f"```diff\n{DIFF}```\nWait, that misses the head.\n```diff\n{HEADER}@@\n"
        "-        return x\n+        return 2 * x\n```",
        Reason.NO_PATCH,
        ("alternatives or drafts", "Wait"),
    ),
    "two drafts without a word between them": (
        block("        self.scale = 1.0\n", "        self.scale = 1.0\n        self.a = 1\n")
        + block("        self.scale = 1.0\n", "        self.scale = 1.0\n        self.b = 1\n"),
        Reason.NO_PATCH,
        ("changes 1 and 2", "line 8", "drafts of one another"),
    ),
    "a hunk that keeps what another one removes": (
        f"{HEADER}@@\n-        self.scale = 1.0\n"
        "@@\n         self.scale = 1.0\n \n+    # forward\n     def forward(self, x):\n"
        "         y = x * self.scale\n",
        Reason.NO_PATCH,
        ("hunks 1 and 2",),
    ),
    "context of less indentation around added lines that may have theirs": (
        f"{HEADER}@@\n     y = x * self.scale\n     return y\n"
        + "".join(f"+{line}\n" for line in METHOD.splitlines()),
        Reason.NO_PATCH,
        ("only if indentation is ignored", "exact indentation"),
    ),
    "a removed line of less indentation than the one for it": (
        f"{HEADER}@@\n-    return y\n+        return 2 * y\n",
        Reason.NO_PATCH,
        ("only if indentation is ignored",),
    ),
    "an imagined file that would be added to": (
        "--- a/trainer.py\n+++ b/trainer.py\n@@ -10,0 +11,1 @@\n+x = 1\n",
        Reason.NO_PATCH,
        ("no file trainer.py",),
    ),
    "an imagined file": (
        "--- a/trainer.py\n+++ b/trainer.py\n@@ -1,2 +1,2 @@\n import torch\n-a = 1\n+a = 2\n",
        Reason.NO_PATCH,
        ("no file trainer.py", "model.py"),
    ),
    "lines to delete that do not exist": (
        f"{HEADER}@@ -6,3 +6,2 @@\n         self.width = width\n-        self.bias = None\n"
        "         self.scale = 1.0\n",
        Reason.NO_PATCH,
        ("match nowhere", "self.bias = None", "    7 |         self.scale = 1.0"),
    ),
    "a diff in words": (
        "In model.py, line 7:\n- self.scale = 1.0\n+ self.scale = 2.0\n",
        Reason.NO_PATCH,
        ("no diff",),
    ),
    "comments and spacing alone": (
        DIFF.replace("2.0", "1.0  # as it was"),
        Reason.EMPTY_PATCH,
        ("comments and spacing of model.py",),
    ),
    "a block that replaces nothing": (
        block("        return y\n", "        return y\n"),
        Reason.EMPTY_PATCH,
        ("changes nothing",),
    ),
    "no diff": ("I would rather not.", Reason.NO_PATCH, ("no diff", "```diff")),
    "nothing": ("", Reason.NO_PATCH, ("no diff",)),
    "a diff block without headers": ("```diff\n-a\n+b\n```", Reason.NO_PATCH, ("neither ---",)),
    "context that is nowhere": (
        DIFF.replace("scale = 1.0", "scale = 3.0"),
        Reason.NO_PATCH,
        (
            "model.py, hunk 1 of 1",
            "    7 |         self.scale = 1.0",
            "  " + "        self.scale = 3.0",
        ),
    ),
    "context that is in two places": (
        f"{HEADER}@@ -90,2 +90,3 @@\n     def forward(self, x):\n+        x = x\n",
        Reason.NO_PATCH,
        ("2 places", "    9 |     def forward", "   18 |     def forward"),
    ),
    "a block in two places": (
        block("        self.width = width\n", "        self.width = 1\n"),
        Reason.NO_PATCH,
        ("2 places", "    6 | ", "   16 | "),
    ),
    "an insertion without context": (
        f"{HEADER}@@ -3,0 +4,1 @@\n+x = 1\n",
        Reason.NO_PATCH,
        ("without context",),
    ),
    "elided context": (
        f"{HEADER}@@\n class Block:\n     ...\n-        return y\n+        return 2 * y\n",
        Reason.NO_PATCH,
        ("'...'", "every line"),
    ),
    "an added elision": (
        block("        return y\n", "        # ... rest of the code unchanged ...\n"),
        Reason.NO_PATCH,
        ("rest of the code", "not written out"),
    ),
    "shifts that differ": (
        f"{HEADER}@@\n      def forward(self, x):\n-    y = x * self.scale\n+    y = x\n",
        Reason.NO_PATCH,
        ("only if indentation is ignored",),
    ),
    "numbers on some added lines": (
        DIFF.replace("+        self", "+   7 |         self"),
        Reason.NO_PATCH,
        ("line number",),
    ),
    "a hunk cut off by a fence in its text": (
        f"```diff\n{HEADER}@@ -1,9 +1,9 @@\n import torch\n+a\n```\n \n class Head:\n+b\n```",
        Reason.NO_PATCH,
        ("closes within a hunk",),
    ),
    "overlapping hunks": (
        f"{HEADER}@@\n         y = x * self.scale\n-        return y\n+        return 1\n"
        "@@\n-        return y\n+        return 2\n",
        Reason.NO_PATCH,
        ("hunks 1 and 2",),
    ),
    "the same change twice": (f"{DIFF}\nAgain:\n{DIFF}", Reason.NO_PATCH, ("same change twice",)),
    "no such file": (
        DIFF.replace("model.py", "modle.py"),
        Reason.NO_PATCH,
        ("no file modle.py", "did you mean model.py?"),
    ),
    "a new file that exists": (
        "--- /dev/null\n+++ b/model.py\n@@ -0,0 +1 @@\n+x\n",
        Reason.NO_PATCH,
        ("it exists",),
    ),
    "a new file with unmarked lines": (
        "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+x\n y\n",
        Reason.NO_PATCH,
        ("begins with `+`", "'y'"),
    ),
    "two files in one header": (
        "--- a/model.py\n+++ b/new_model.py\n" + HUNK,
        Reason.NO_PATCH,
        ("two files", "rename from"),
    ),
    "a rename to a file that exists": (
        "diff --git a/model.py b/lib/optim.py\nrename from model.py\nrename to lib/optim.py\n",
        Reason.NO_PATCH,
        ("that file exists",),
    ),
    "a deletion that leaves lines": (
        "--- a/lib/optim.py\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-lr = 0.1\n",
        Reason.NO_PATCH,
        ("leave lines",),
    ),
    "a block without end": (
        "model.py\n<<<<<<< SEARCH\na\n=======\nb\n",
        Reason.NO_PATCH,
        ("not closed",),
    ),
    "a block with two dividers": (
        block("a\n=======\nb\n", "c\n"),
        Reason.NO_PATCH,
        ("'======='",),
    ),
    "a block without a file": (
        block("        return y\n", "        return x\n", path="So:"),
        Reason.NO_PATCH,
        ("names no file",),
    ),
    "a block that may be of two files": (
        block("        return y\n", "", path="In `model.py` as in `optim.py`, do this"),
        Reason.NO_PATCH,
        ("lib/optim.py, model.py",),
    ),
    "another patch format": (
        "*** Begin Patch\n*** Add File: new.txt\n+a\n*** End Patch\n" + DIFF,
        Reason.NO_PATCH,
        ("another format",),
    ),
    "a binary diff": (
        "diff --git a/model.py b/model.py\nGIT binary patch\nliteral 3\n",
        Reason.NO_PATCH,
        ("binary",),
    ),
    "a copy": (
        "diff --git a/model.py b/new.py\ncopy from model.py\ncopy to new.py\n",
        Reason.NO_PATCH,
        ("copies",),
    ),
    "a hunk of context alone": (
        f"{HEADER}@@\n         return y\n",
        Reason.EMPTY_PATCH,
        ("changes nothing",),
    ),
    "a change to the same": (
        f"{HEADER}@@\n-        return y\n+        return y\n",
        Reason.EMPTY_PATCH,
        ("changes nothing",),
    ),
    "a locked file": (
        "--- a/sealed.py\n+++ b/sealed.py\n@@\n-secret = 1\n+secret = 2\n",
        Reason.LOCKED_FILE,
        ("sealed.py", "model.py"),
    ),
    "a locked file, however wrong the hunk": (
        "--- a/sealed.py\n+++ b/sealed.py\n@@\n-nonsense\n+secret = 2\n",
        Reason.LOCKED_FILE,
        ("sealed.py",),
    ),
    "a locked file that is renamed": (
        "diff --git a/sealed.py b/new.py\nrename from sealed.py\nrename to new.py\n",
        Reason.LOCKED_FILE,
        ("sealed.py",),
    ),
    "a symlink": (
        "diff --git a/new.txt b/new.txt\nnew file mode 120000\n--- /dev/null\n+++ b/new.txt\n"
        "@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n",
        Reason.ILLEGAL_PATH,
        ("120000",),
    ),
    "a mode without its git line": (
        "new file mode 120000\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+/etc/passwd\n",
        Reason.ILLEGAL_PATH,
        ("120000",),
    ),
    "an executable": (
        "diff --git a/model.py b/model.py\nold mode 100644\nnew mode 100755\n",
        Reason.ILLEGAL_PATH,
        ("100755",),
    ),
    "a syntax error": (
        DIFF.replace("2.0", "(2.0"),
        Reason.SYNTAX,
        ("model.py", "was never closed (line 7)", "    7 |         self.scale = (2.0"),
    ),
}


@pytest.mark.parametrize(("answer", "reason", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_an_answer_is_refused_with_its_reason(answer: str, reason: Reason, says: tuple[str, ...]):
    refused(answer, reason, *says)


ESCAPES = (
    "../x.py",
    "/etc/x.py",
    "a/../../x.py",
    "sub//x.py",
    "C:/x.py",
    "sub\\x.py",
    "./../x.py",
    ".git/config",
    "sub/.GIT/x",
    "new\0.py",
    "newé.py",
    "new .py",
    "sub/..",
)


@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_out_of_the_tree_is_illegal_in_every_form(path: str):
    added = "@@ -0,0 +1 @@\n+x = 1\n"
    for answer in (
        f"--- /dev/null\n+++ b/{path}\n{added}",
        f"--- /dev/null\n+++ {path}\n{added}",
        f"--- {path}\n+++ {path}\n{added}",
        f"diff --git a/model.py b/{path}\nrename from model.py\nrename to {path}\n",
    ):
        found = apply_answer(answer, TREE, editable=("*",), limit_kb=50)
        assert isinstance(found, Rejection)
        assert found.reason is Reason.ILLEGAL_PATH, (answer, found.detail)


def test_a_path_that_differs_in_case_alone_is_illegal():
    answer = "--- /dev/null\n+++ b/Model.py\n@@ -0,0 +1 @@\n+x = 1\n"
    found = apply_answer(answer, TREE, editable=("*",), limit_kb=50)
    assert isinstance(found, Rejection)
    assert found.reason is Reason.ILLEGAL_PATH


def test_an_ambiguous_hunk_goes_where_a_header_without_fault_says():
    right = f"{HEADER}@@ -18,1 +18,2 @@\n     def forward(self, x):\n+        x = x + 1\n"
    lines = MODEL.split("\n")
    lines.insert(18, "        x = x + 1")
    assert model_after(right) == "\n".join(lines)
    for wrong in ("-17,1 +17,2", "-18,2 +18,3", "-18,1 +19,2"):
        refused(right.replace("-18,1 +18,2", wrong), Reason.NO_PATCH, "2 places")


def test_line_numbers_are_not_believed_once_the_answer_has_changed_the_file():
    ambiguous = f"{HEADER}@@ -18,1 +18,2 @@\n     def forward(self, x):\n+        x = x + 1\n"
    refused(DIFF + ambiguous, Reason.NO_PATCH, "2 places")


def test_several_diffs_of_an_answer_apply_one_after_the_other():
    second = f"{HEADER}@@\n-        self.scale = 2.0\n+        self.scale = 4.0\n"
    answer = f"```diff\n{DIFF}```\nand then\n```diff\n{second}```\n"
    assert model_after(answer) == MODEL.replace("scale = 1.0", "scale = 4.0")


def test_a_hunk_under_no_name_belongs_to_the_file_of_the_one_before():
    second = "@@\n-        return x\n+        return 2 * x\n"
    answer = f"```diff\n{DIFF}```\n\nThen:\n\n```diff\n{second}```\n"
    assert model_after(answer) == TWICE.replace("return x", "return 2 * x")
    refused(f"```diff\n{second}```\n", Reason.NO_PATCH, "names no file")


def test_a_block_after_another_belongs_to_the_same_file():
    answer = block("        return y\n", "        return 2 * y\n") + block(
        "        return x\n", "        return 3 * x\n", path=""
    )
    assert model_after(answer) == MODEL.replace("return y", "return 2 * y").replace(
        "return x", "return 3 * x"
    )


def test_hunks_may_overlap_in_context_and_stand_in_any_order():
    answer = (
        f"{HEADER}@@\n         return y\n \n \n-class Head:\n+class Top:\n"
        "@@\n         y = x * self.scale\n+        y = y + 1\n         return y\n \n"
    )
    after = MODEL.replace("class Head", "class Top").replace(
        "        return y", "        y = y + 1\n        return y"
    )
    assert model_after(answer) == after


def test_empty_lines_are_added_ones_that_lost_their_sign_where_the_counts_say_so():
    text = "def a():\n    pass\n"
    tree = {"x.txt": text}
    added = "+\n+\n+def b():\n+    a()\n"
    diff = f"--- a/x.txt\n+++ b/x.txt\n@@ -1,2 +1,6 @@\n def a():\n     pass\n{added}"
    stripped = diff.replace("+\n", "\n")
    for answer in (stripped, f"```diff\n{stripped}```\n"):
        assert apply(answer, tree) == {"x.txt": text + "\n\ndef b():\n    a()\n"}
    refused(stripped.replace("+1,6", "+1,5"), Reason.NO_PATCH, "match nowhere", tree=tree)


def test_a_file_named_by_one_header_alone_ends_the_hunk_above_it():
    answer = f"```diff\n+++ b/model.py\n{HUNK}+++ b/lib/optim.py\n@@\n-lr = 0.1\n+lr = 0.2\n```"
    assert apply(answer) == {
        **TREE,
        "model.py": TWICE,
        "lib/optim.py": TREE["lib/optim.py"].replace("0.1", "0.2"),
    }


def test_tabs_of_one_hunk_show_what_those_of_another_mean():
    added = "+\n+try:\n+\timport fast\n+except ImportError:\n+\tfast = None\n"
    answer = (
        f"{HEADER}@@\n import torch\n{added}"
        " \n \n class Block:\n@@\n-\t\treturn x\n+\t\treturn x + 1\n"
    )
    guard = "import torch\n\ntry:\n    import fast\nexcept ImportError:\n    fast = None\n"
    after = MODEL.replace("import torch\n", guard).replace("return x\n", "return x + 1\n")
    assert model_after(answer) == after
    alone = answer.partition("@@\n-\t")[0]
    refused(alone, Reason.NO_PATCH, "indented with spaces", "'import fast'")


def test_a_name_without_prefix_is_the_one_that_the_line_above_has_with_prefixes():
    tree = {"x.txt": "1\n", "a/x.txt": "1\n"}
    git = "diff --git a/a/x.txt b/a/x.txt\n"
    for prefix in (("a/", "b/"), ("./", "./"), ("", "")):
        names = f"--- {prefix[0]}a/x.txt\n+++ {prefix[1]}a/x.txt\n"
        assert apply(f"{git}{names}@@\n-1\n+2\n", tree, editable=("*",)) == {
            "x.txt": "1\n",
            "a/x.txt": "2\n",
        }


def test_a_unique_base_name_means_the_file_below_a_folder():
    found = apply("--- a/optim.py\n+++ b/optim.py\n@@\n-lr = 0.1\n+lr = 0.2\n")
    assert not isinstance(found, Rejection)
    assert found["lib/optim.py"] == "lr = 0.2\nbeta = 0.9\n"


@pytest.mark.parametrize(
    "answer",
    [
        "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,3 @@\n+a\n+\n+b\n",
        "--- /dev/null\n+++ new.txt\n@@ -0,0 +1,9 @@\n+a\n\n+b\n",
        "--- a/new.txt\n+++ b/new.txt\n@@ -0,0 +1,3 @@\n+a\n+\n+b\n",
        "```diff\n" + "--- a/new.txt\n+++ b/new.txt\n@@\n+a\n+\n+b\n".replace("\n", "\r\n") + "```",
        "--- /dev/null\n+++ b/new.txt\n+  1 | a\n+  2 | \n+  3 | b\n",
        "diff --git a/new.txt b/new.txt\nnew file mode 100644\n"
        "--- /dev/null\n+++ b/new.txt\n@@\n+a\n+\n+b\n",
        block("", "a\n\nb\n", path="new.txt"),
    ],
)
def test_a_new_file_is_added(answer: str):
    assert apply(answer) == {**TREE, "new.txt": "a\n\nb\n"}


@pytest.mark.parametrize(
    "answer",
    [
        "--- a/lib/optim.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-lr = 0.1\n-beta = 0.9\n",
        "diff --git a/lib/optim.py b/lib/optim.py\ndeleted file mode 100644\n",
    ],
)
def test_a_file_is_deleted(answer: str):
    assert apply(answer) == {path: TREE[path] for path in ("model.py", "sealed.py")}


def test_a_renamed_file_takes_its_hunks_along():
    answer = (
        "diff --git a/lib/optim.py b/lib/new.py\nsimilarity index 60%\nrename from lib/optim.py\n"
        "rename to lib/new.py\n--- a/lib/optim.py\n+++ b/lib/new.py\n@@ -1,2 +1,2 @@\n-lr = 0.1\n"
        "+lr = 0.2\n beta = 0.9\n"
    )
    rest = {path: TREE[path] for path in ("model.py", "sealed.py")}
    assert apply(answer) == {**rest, "lib/new.py": "lr = 0.2\nbeta = 0.9\n"}


def test_added_lines_take_the_line_endings_of_their_place():
    assert model_after(DIFF, MODEL.replace("\n", "\r\n")) == TWICE.replace("\n", "\r\n")


def test_added_lines_take_the_tabs_of_their_place():
    assert model_after(DIFF, MODEL.replace("    ", "\t")) == TWICE.replace("    ", "\t")


def test_context_keeps_the_spacing_of_the_file():
    spaced = MODEL.replace(
        "self.width = width\n        self.scale", "self.width  =  width\n        self.scale"
    )
    assert model_after(DIFF, spaced) == spaced.replace("1.0", "2.0")


def test_a_file_without_final_newline_can_be_appended_to():
    tree = {"a.txt": "x\ny"}
    answer = "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,3 @@\n x\n y\n+z\n"
    assert apply(answer, tree) == {"a.txt": "x\ny\nz"}
    assert apply(answer.replace(" y\n", "-y\n\\ No newline at end of file\n+y\n"), tree) == {
        "a.txt": "x\ny\nz\n"
    }


def test_a_last_line_that_is_replaced_keeps_its_missing_newline_unless_the_diff_speaks_of_it():
    tree = {"a.txt": "x\ny"}
    answer = "--- a/a.txt\n+++ b/a.txt\n@@\n x\n-y\n+z\n"
    assert apply(answer, tree) == {"a.txt": "x\nz"}
    spoken = answer.replace("-y\n", "-y\n\\ No newline at end of file\n")
    assert apply(spoken, tree) == {"a.txt": "x\nz\n"}


def test_a_dedented_block_is_shifted_back_where_nothing_else_would_be_python():
    search = "if x:\n    y = x\nreturn y\n"
    inner = "".join(f"        {line}\n" for line in search.splitlines())
    model = MODEL.replace("        return y\n", inner)
    answer = block(search, search.replace("    y = x\n", "    y = x\n    y = y + 1\n"))
    after = model.replace("            y = x\n", "            y = x\n            y = y + 1\n")
    assert model_after(answer, model) == after


@pytest.mark.parametrize(
    "between", ["Step 2:", "And in the head, actually used:", "### Option", ""]
)
def test_several_diffs_with_words_between_them_are_no_alternatives(between: str):
    second = f"{HEADER}@@\n-        return x\n+        return 2 * x\n"
    answer = f"Step 1:\n```diff\n{DIFF}```\n{between}\n```diff\n{second}```\n"
    if between == "### Option":
        refused(answer, Reason.NO_PATCH, "alternatives")
    else:
        assert model_after(answer) == TWICE.replace("return x", "return 2 * x")


def test_a_change_of_what_an_earlier_one_added_is_no_draft():
    answer = block("        self.scale = 1.0\n", "        self.scale = 2.0\n") + block(
        "        self.scale = 2.0\n", "        self.scale = 2.0\n        self.a = 1\n"
    )
    assert model_after(answer) == TWICE.replace("2.0\n", "2.0\n        self.a = 1\n")


def test_an_ellipsis_that_is_python_is_not_taken_for_an_elision():
    answer = block("        return y\n", "        return y\n\n    def size(self):\n        ...\n")
    assert "    def size(self):\n        ...\n" in model_after(answer)


def test_a_patch_that_is_too_large_is_refused_by_its_size():
    answer = "--- /dev/null\n+++ b/new.txt\n@@\n" + "+x\n" * 3000
    assert apply(answer, limit_kb=7) != apply(answer, limit_kb=5)
    refused_small = apply(answer, limit_kb=5)
    assert isinstance(refused_small, Rejection)
    assert refused_small.reason is Reason.TOO_LARGE


HUGE = 900_000
HOSTILE = {
    "ten megabytes": "x" * 10_000_000,
    "open fences": "  ```a\n~~~b\n" * (HUGE // 12),
    "hunk headers": "@@\n" * (HUGE // 3),
    "file headers": (HEADER + "@@\n") * (HUGE // 33),
    "spaces in a header": "--- a/model.py" + " " * HUGE + "x\n+++ b/model.py\n@@\n-x\n+y\n",
    "an endless number": f"{HEADER}@@ -{'9' * 5000},1 +1,1 @@\n-x\n+z\n",
    "a lone surrogate": f"{HEADER}@@\n-\ud800\n+y\n",
    "a surrogate in a path": "--- /dev/null\n+++ b/\ud800.py\n@@\n+a\n",
    "a surrogate in a new file": "--- /dev/null\n+++ b/new.txt\n@@\n+\udfff\n",
    "NUL": "--- /dev/null\n+++ b/new.py\n@@\n+a = '\0'\n",
    "brackets": "--- /dev/null\n+++ b/new.py\n@@\n+" + "(" * 40_000 + "\n",
    "operators": "--- /dev/null\n+++ b/new.py\n@@\n+" + "not " * 10_000 + "1\n",
    "attributes": "--- /dev/null\n+++ b/new.py\n@@\n+a" + ".b" * 20_000 + "\n",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_refused_quickly_with_a_text_that_can_be_sent(answer: str):
    started = time.monotonic()
    found = apply(answer)
    assert time.monotonic() - started < 10
    assert isinstance(found, Rejection)
    assert len(found.detail.encode()) < 10_000


def test_the_canonical_diff_and_its_counts_say_what_changed():
    after = {"model.py": TWICE, "sealed.py": TREE["sealed.py"], "new.txt": "a"}
    diff = unified_diff(TREE, after)
    assert "deleted file mode 100644\n--- a/lib/optim.py\n+++ /dev/null\n@@ -1,2 +0,0 @@" in diff
    assert "+a\n\\ No newline at end of file\n" in diff
    assert diff.count("diff --git ") == 3
    counts = change_between(TREE, after)
    assert (counts.files, counts.added, counts.removed) == (3, 2, 3)
