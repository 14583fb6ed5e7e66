"""What models write: ideas, diffs, search/replace blocks, thinking, and what is made of them."""

from __future__ import annotations

import hashlib
from functools import cache

from airr.executor.codebases import pack
from airr.executor.diffs import Rejection, apply_answer, change_between
from airr.llm.catalogue import Catalogue
from airr.llm.tokens import clean
from airr.plain import plain
from airr.policy.diversity import canonical, jaccard_of
from airr.policy.rollouts import split_thinking
from airr.researcher.blocks import LONGEST_IDEA, parse_blocks
from airr.researcher.novelty import NUMBER
from airr.resources import resource
from airr.titles import title_of
from airr.worker.unpack import unpack
from tests.fuzz.target import Target, own_folder

TREE = {
    "train.py": "import torch\n\nlr = 0.1\nfor step in range(10):\n    loss = step * lr\n"
    "    if loss:\n        print(loss)\n",
    "model/net.py": "class Net:\n    width = 64\n\n    def size(self):\n"
    "        return self.width\n",
    "notes.txt": "first\nsecond\n\nthird",
}
KB = 64
FENCED = b"```diff\n--- a/train.py\n+++ b/train.py\n@@ -1,4 +1,4 @@\n import torch\n \n"
DIFF = FENCED + b"-lr = 0.1\n+lr = 0.2\n for step in range(10):\n```\n"
BLOCK = (
    b"train.py\n<<<<<<< SEARCH\n    loss = step * lr\n=======\n    loss = step * lr + 1\n"
    b">>>>>>> REPLACE\n"
)
IDEA = (
    b"1. **[Experiment]** Warm up the rate.\n**[Code Changes]** Multiply it by step / 100.\n"
    b"[Parents] e00-i001, e01-i017\n[End]\n"
)


def as_text(data: bytes) -> str:
    """Return bytes as the text of an answer: endpoints hand over no lone surrogates."""
    return clean(data.decode(errors="surrogateescape"))


def _blocks(data: bytes) -> None:
    text = as_text(data)
    for is_cut in (True, False):
        for block in parse_blocks(text, is_cut=is_cut):
            assert block.experiment, "a block has an experiment"
            assert block.code_changes, "a block has changes"
            assert len(block.text) < LONGEST_IDEA + 100, "a block is bounded"
            assert all(len(parent) < 40 for parent in block.parents), "an id is bounded"


def _answer(data: bytes) -> None:
    """Take an answer the whole way: applied, counted, packed, and unpacked on the node."""
    tree = apply_answer(as_text(data), TREE, editable=("*.py", "model/*"), limit_kb=KB)
    if isinstance(tree, Rejection):
        assert len(tree.detail) < 50_000, "what a model is told is bounded"
        assert tree.detail.encode(), "what a model is told can be sent"
        return
    assert tree["notes.txt"] == TREE["notes.txt"], "a locked file stays"
    change_between(TREE, tree)
    archive = pack(tree)
    with own_folder() as folder:
        packed = folder / "e00-i000.zip"
        packed.write_bytes(archive)
        unpack(packed, hashlib.sha256(archive).hexdigest(), folder / "tree")
        files = [path for path in (folder / "tree").rglob("*") if not path.is_dir()]
        assert len(files) == len(tree), "every file of the tree, and no other"


def _titles(data: bytes) -> None:
    text = as_text(data)
    texts = {"e00-i000": text, "e00-i001": text[: len(text) // 2], "e00-i002": "lr = 1"}
    for key in texts:
        assert len(title_of(key, texts).within(80)) <= 80, "a title fits"
    assert plain(text).replace("\n", "").isprintable(), "a terminal obeys nothing of it"


def _likeness(data: bytes) -> None:
    text = as_text(data)
    canonical(text)
    jaccard_of([text, "x = 1"])
    assert all(float(number) >= 0 for number in NUMBER.findall(text))


@cache
def _catalogue() -> Catalogue:
    return Catalogue.read(resource("envs") / "nanogpt" / "catalogue")


def _recipe(data: bytes) -> None:
    if recipe := _catalogue().recipe_in(as_text(data)):
        _catalogue().text_of(recipe, ())
        _catalogue().diffs_of(recipe, 0)


def _recipes() -> list[bytes]:
    catalogue = _catalogue()
    entries = [*catalogue.entries.values()][:3]
    return [catalogue.text_of((entry.default(),), ()).encode() for entry in entries]


def _thinking(data: bytes) -> None:
    thought, said = split_thinking(as_text(data))
    assert "</think>" not in thought, "thinking ends where it ends"
    assert len(thought) + len(said) <= len(data) + 1


TARGETS = (
    Target(
        name="idea_blocks",
        reads=("airr.researcher.blocks.parse_blocks",),
        read=_blocks,
        seeds=lambda: (IDEA, IDEA * 3, b"# [Experiment]: a\n[Code  Change] b", b"prose"),
        words=(b"[Experiment]", b"[Code Changes]", b"[Parents]", b"[End]", b"\n[", b"e00-i000"),
    ),
    Target(
        name="diffs",
        reads=("airr.executor.diffs.apply.apply_answer", "airr.executor.diffs.answers.edits_in"),
        read=_answer,
        seeds=lambda: (
            DIFF,
            b"diff --git a/new.py b/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/new.py\n"
            b"@@ -0,0 +1,2 @@\n+x = 1\n+y = 2\n",
            b"diff --git a/model/net.py b/model/net2.py\nrename from model/net.py\n"
            b"rename to model/net2.py\n@@ -1,2 +1,2 @@\n class Net:\n-    width = 64\n"
            b"+    width = 65\n",
            b"--- a/model/net.py\n+++ /dev/null\n@@ -1,5 +0,0 @@\n-class Net:\n-    width = 64\n-\n"
            b"-    def size(self):\n-        return self.width\n",
        ),
        words=(
            b"@@ -1,3 +1,3 @@\n",
            b"@@ -999999999,999999999 +0,0 @@\n",
            b"--- a/train.py\n",
            b"+++ b/train.py\n",
            b"```diff\n",
            b"   ```\n",
            b"\n+",
            b"\n-",
            b"\n ",
            b"/dev/null",
            b"diff --git a/x b/x\n",
            b"new file mode 120000\n",
            b"rename to ../x\n",
            b"Binary files a and b differ\n",
            b"\\ No newline at end of file\n",
            b"    1 | ",
            b"# ... rest of the code\n",
            b"Alternatively:\n",
            b"+((((",
            b"+lambda: [",
        ),
    ),
    Target(
        name="search_replace",
        reads=("airr.executor.diffs.apply.apply_answer",),
        read=_answer,
        seeds=lambda: (
            BLOCK,
            b"```python\n" + BLOCK + b"```\n",
            BLOCK + b"model/net.py\n" + BLOCK[9:],
            b"new.py\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n",
        ),
        words=(
            b"<<<<<<< SEARCH\n",
            b"=======\n",
            b">>>>>>> REPLACE\n",
            b"<<<<<<<<<",
            b"train.py\n",
        ),
    ),
    Target(
        name="titles",
        reads=("airr.titles.title_of", "airr.plain.plain"),
        read=_titles,
        seeds=lambda: (b"[Experiment] Use Muon. Then rest.\n[Code Changes] x", b"one two three"),
        words=(b"[Experiment]", b"[Code Changes]", b". ", b"e.g. ", b"\x1b[2J", b"\xe2\x80\xae"),
    ),
    Target(
        name="likeness",
        reads=("airr.policy.diversity.jaccard_of", "airr.researcher.novelty.NUMBER"),
        read=_likeness,
        seeds=lambda: (b"set lr to 3e-4, width 12.5", b"A plain sentence."),
        words=(b"1e5", b"1e999", b"0.", b"e-"),
    ),
    Target(
        name="recipes",
        reads=("airr.llm.catalogue.Catalogue.recipe_in",),
        read=_recipe,
        seeds=_recipes,
        words=(b"Recipe: ", b"muon(lr=0.02)", b" + ", b"qk_norm()", b"(", b")"),
    ),
    Target(
        name="thinking",
        reads=("airr.policy.rollouts.split_thinking",),
        read=_thinking,
        seeds=lambda: (b"<think>so</think>\n" + IDEA, b"<think>for ever", IDEA),
        words=(b"<think>", b"</think>"),
    ),
)
