"""The implementer: samples, revisions on the exact error, the gates, the preflight."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from airr.batch import Result
from airr.config import PatchFormat
from airr.executor.codebases import Parent, Tree
from airr.executor.patches import Implementation
from airr.llm.protocol import Completion, Request, StopReason
from airr.records import Reason, RunKey, Stage
from tests import asking, builders, toy
from tests.scripted import Scripted, answer

GOOD = """\
```diff
--- a/recipe.py
+++ b/recipe.py
@@ -1 +1 @@
-VALUE = 2.0
+VALUE = 1.0
```
"""
STALE = GOOD.replace("-VALUE = 2.0", "-VALUE = 7.0")
BLOCK = """\
recipe.py
<<<<<<< SEARCH
VALUE = 2.0
=======
VALUE = 1.0
>>>>>>> REPLACE
"""
LOCKED = """\
```diff
--- /dev/null
+++ b/requirements.txt
@@ -0,0 +1 @@
+flash-attn
```
"""


@dataclass
class Checks:
    """A preflight that passes what `passes` says, and remembers what it tried."""

    passes: Callable[[Tree], bool] = lambda _: True
    tried: list[Tree] = field(default_factory=list)
    side_by_side: int = 0
    most: int = 0

    async def check(self, tree: Tree, key: RunKey) -> Result:
        self.tried.append(tree)
        self.side_by_side += 1
        self.most = max(self.most, self.side_by_side)
        await asyncio.sleep(0.01)
        self.side_by_side -= 1
        good = self.passes(tree)
        return Result(
            key=key,
            batch="preflight",
            stage=None if good else Stage.TRAIN,
            reason=None if good else Reason.CRASH,
            detail="" if good else "RuntimeError: shapes do not match",
            metric=5.0 if good else None,
            log_tail="step 1\nTraceback: deep",
            node="here",
            job_id="",
            started_at=0.0,
            ended_at=2.5,
        )


async def implement(
    model: Scripted,
    checks: Checks | None = None,
    samples: int = 1,
    revisions: int = 2,
    form: PatchFormat = PatchFormat.UNIFIED,
    parent: Parent | None = None,
) -> Implementation:
    implementer = asking.implementer(
        model.ask,
        preflight=checks or Checks(),
        how=replace(builders.IMPLEMENT, format=form, samples=samples, revisions=revisions),
    )
    return await implementer.implement(builders.idea(3), parent)


def says(*answers: str) -> Callable[[Request], str]:
    """Return a script that gives one answer for each revision."""
    return lambda request: answers[int(request.id.rpartition("/r")[2])]


async def test_a_good_diff_becomes_the_patched_tree_at_once():
    model = Scripted(lambda _: GOOD)
    done = await implement(model)
    assert done.tree is not None
    assert done.tree["recipe.py"] == "VALUE = 1.0\n"
    (patch,) = done.patches
    assert (patch.applied, patch.files_changed, patch.lines_added, patch.lines_removed) == (
        True, 1, 1, 1,
    )  # fmt: skip
    assert patch.preflight_seconds == 2.5
    assert [request.id for request in model.asked] == ["e00-i003/s0/r0"]


async def test_the_prompt_shows_the_idea_the_files_with_line_numbers_and_what_may_be_edited():
    model = Scripted(lambda _: GOOD)
    await implement(model)
    (request,) = model.asked
    assert "  1 | VALUE = 2.0" in request.system
    assert "Make VALUE small." in request.system
    assert "*.py" in request.system
    assert "Reserved: sealed/score.py." in request.system
    assert builders.idea(3).text in request.messages[0].text


@pytest.mark.parametrize(
    ("form", "words", "others"),
    [
        (PatchFormat.UNIFIED, "one unified diff in a ```diff block", "<<<<<<< SEARCH"),
        (PatchFormat.SEARCH_REPLACE, "<<<<<<< SEARCH", "```diff"),
    ],
)
async def test_the_prompt_asks_for_one_form_and_either_is_read(
    form: PatchFormat, words: str, others: str
):
    for text in (GOOD, BLOCK):
        model = Scripted(says(STALE, text))
        done = await implement(model, form=form)
        assert done.tree is not None
        assert done.tree["recipe.py"] == "VALUE = 1.0\n"
        asked = model.asked[0].system + model.asked[1].messages[-1].text.replace(
            done.patches[0].detail, ""
        )
        assert words in asked
        assert others not in asked
        assert "without the\nline numbers" in asked


async def test_a_diff_that_does_not_match_is_revised_with_the_exact_error():
    model = Scripted(says(STALE, GOOD))
    done = await implement(model)
    assert [(patch.applied, patch.reason) for patch in done.patches] == [
        (False, Reason.NO_PATCH),
        (True, None),
    ]
    conversation = model.asked[1].messages
    assert [message.role for message in conversation] == ["user", "assistant", "user"]
    assert conversation[1].text == STALE
    assert done.patches[0].detail in conversation[2].text
    assert "VALUE = 2.0" in conversation[2].text, "what really stands there is quoted"


async def test_a_preflight_traceback_is_revised_like_a_patch_error():
    better = GOOD.replace("1.0", "1.5")
    model = Scripted(says(GOOD, better))
    checks = Checks(passes=lambda tree: "1.5" in tree["recipe.py"])
    done = await implement(model, checks)
    assert done.tree is not None
    assert (done.patches[0].stage, done.patches[0].reason) == (Stage.PREFLIGHT, Reason.CRASH)
    revision = model.asked[1].messages[-1].text
    assert "RuntimeError: shapes do not match" in revision
    assert "Traceback: deep" in revision


async def test_revisions_are_bounded_and_every_attempt_is_kept():
    model = Scripted(lambda _: STALE)
    done = await implement(model, samples=2, revisions=2)
    assert done.tree is None
    assert [(patch.sample, patch.revision) for patch in done.patches] == [
        (sample, revision) for sample in range(2) for revision in range(3)
    ]
    assert len(model.asked) == 6


async def test_a_file_that_is_not_open_for_editing_is_refused_by_name():
    done = await implement(Scripted(lambda _: LOCKED))
    assert {patch.reason for patch in done.patches} == {Reason.LOCKED_FILE}
    assert "requirements.txt" in done.patches[0].detail


async def test_the_first_sample_to_pass_wins_and_the_others_are_cancelled():
    running: set[str] = set()

    class Slow(Scripted):
        async def ask(self, request: Request) -> Completion:
            running.add(request.id)
            self.asked.append(request)
            if "/s2/" not in request.id:
                await asyncio.sleep(60)
            running.remove(request.id)
            return answer(GOOD)

    model = Slow(lambda _: GOOD)
    done = await asyncio.wait_for(implement(model, samples=4), timeout=5)
    assert done.tree is not None
    assert [patch.sample for patch in done.patches] == [2]
    assert running == {f"e00-i003/s{sample}/r0" for sample in (0, 1, 3)}, "none went on"


async def test_of_one_ideas_patches_one_at_a_time_is_tried_for_real():
    checks = Checks(passes=lambda _: False)
    model = Scripted(lambda request: GOOD.replace("1.0", f"1.{request.id[-4]}"))
    await implement(model, checks, samples=5, revisions=0)
    assert (len(checks.tried), checks.most) == (5, 1)


async def test_beside_a_patch_that_passes_no_other_answer_is_judged_or_revised():
    checks = Checks()
    model = Scripted(lambda request: GOOD if "/s0/" in request.id else STALE)
    done = await implement(model, checks, samples=3)
    assert [(patch.sample, patch.applied) for patch in done.patches] == [(0, True)]
    assert [request.id for request in model.asked] == [f"e00-i003/s{n}/r0" for n in range(3)]
    assert len(checks.tried) == 1


async def test_answers_are_judged_in_their_order_until_one_passes():
    checks = Checks(passes=lambda tree: "1.2" in tree["recipe.py"])
    answers = (STALE, *(GOOD.replace("1.0", f"1.{n}") for n in range(1, 5)))
    model = Scripted(lambda request: answers[int(request.id[-4])])
    done = await implement(model, checks, samples=5, revisions=0)
    assert [patch.reason for patch in done.patches] == [Reason.NO_PATCH, Reason.CRASH, None]
    assert len(checks.tried) == 2, "nothing is tried beyond the one that passed"


async def test_a_patch_that_failed_its_preflight_is_not_run_again_and_the_model_is_told():
    checks = Checks(passes=lambda _: False)
    model = Scripted(says(GOOD, BLOCK, GOOD))
    done = await implement(model, checks)
    assert len(checks.tried) == 1, "the same change in another form is the same patch"
    assert {(patch.stage, patch.reason) for patch in done.patches} == {
        (Stage.PREFLIGHT, Reason.CRASH)
    }
    assert [patch.preflight_seconds for patch in done.patches] == [2.5, 0.0, 0.0]
    told = model.asked[2].messages[-1].text
    assert "was tried before" in told
    assert "RuntimeError: shapes do not match" in told


async def test_a_patch_whose_preflight_the_machine_spoilt_is_tried_again():
    class Spoilt(Checks):
        async def check(self, tree: Tree, key: RunKey) -> Result:
            found = await super().check(tree, key)
            return replace(found, reason=Reason.LOST) if len(self.tried) == 1 else found

    checks = Spoilt(passes=lambda _: len(checks.tried) == 2)
    done = await implement(Scripted(lambda _: GOOD), checks)
    assert done.tree is not None
    assert [patch.reason for patch in done.patches] == [Reason.LOST, None]


async def test_a_refusal_is_recorded_as_one():
    model = Scripted(lambda _: answer("I'd rather not.", StopReason.REFUSAL))
    done = await implement(model, revisions=0)
    assert [patch.reason for patch in done.patches] == [Reason.REFUSED]


async def test_an_answer_that_was_cut_off_is_revised_though_what_there_is_would_apply():
    model = Scripted(
        lambda request: answer(GOOD, StopReason.MAX_TOKENS) if "/r0" in request.id else GOOD
    )
    checks = Checks()
    done = await implement(model, checks)
    assert [patch.reason for patch in done.patches] == [Reason.CUT_OFF, None]
    assert "the limit of 100 tokens" in model.asked[1].messages[-1].text
    assert model.asked[1].messages[1].text == GOOD
    assert len(checks.tried) == 1


async def test_an_answer_without_a_diff_costs_no_preflight():
    checks = Checks()
    done = await implement(Scripted(lambda _: "Sounds great!"), checks)
    assert done.tree is None
    assert checks.tried == []
    assert {patch.reason for patch in done.patches} == {Reason.NO_PATCH}


async def test_an_idea_with_a_parent_is_a_patch_of_the_parents_codebase_which_the_prompt_shows():
    parent = Parent(idea=builders.idea(1), tree={**toy.tree(value=1.5), "extra.py": "X = 1\n"})
    model = Scripted(lambda _: GOOD.replace("VALUE = 2.0", "VALUE = 1.5"))
    done = await implement(model, parent=parent)
    assert done.tree == {**parent.tree, "recipe.py": "VALUE = 1.0\n"}
    assert "-VALUE = 1.5" in done.patches[0].diff
    (request,) = model.asked
    assert "  1 | VALUE = 1.5" in request.system
    assert "  1 | VALUE = 2.0" not in request.system
    assert parent.idea.text in request.messages[0].text
