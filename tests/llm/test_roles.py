"""Ideator and implementer over the real SDKs, asking a model that does its worst."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from airr.executor.patches import Implementation
from airr.llm.journal import Journal
from airr.llm.protocol import ContextTooLong, Purpose
from airr.records import Idea, Origin, Reason, Trial
from airr.researcher.strategy import IdeaRequest
from tests import asking, builders
from tests.executor.test_patches import GOOD, STALE, Checks
from tests.llm.cases import MODEL, serving
from tests.llm.loopback import Asked, Fault, Loopback, Reply
from tests.researcher.test_ideas import block

pytestmark = pytest.mark.parametrize("kind", ["anthropic", "openai"])
Script = Callable[[Asked], Reply | str]


@asynccontextmanager
async def journal_of(kind: str, script: Script, folder: Path) -> AsyncGenerator[tuple]:
    """Yield a server that answers by `script`, and a journal that asks it."""
    with Loopback(script) as loopback:
        async with serving(kind, loopback) as provider:
            journal = Journal(folder / "journal.jsonl", dict.fromkeys(Purpose, provider), {})
            yield loopback, journal
            journal.close()


def role(kind: str, max_tokens: int = 2000):
    fields = {"provider": kind, "model": MODEL[kind], "max_tokens": max_tokens}
    return replace(builders.ROLE, **fields)


async def propose(kind: str, journal: Journal, *requests: IdeaRequest) -> tuple[Idea, ...]:
    ideator = asking.ideator(journal.ask, role=role(kind))
    return await ideator.propose(requests, epoch=1, baseline=builders.BASELINE_SCORE, tried=[])


async def implement(kind: str, journal: Journal, revisions: int = 2) -> Implementation:
    implementer = asking.implementer(
        journal.ask,
        holds=journal.holds,
        preflight=Checks(),
        role=role(kind),
        how=replace(builders.IMPLEMENT, revisions=revisions),
    )
    return await implementer.implement(builders.idea(3))


def exploring(trials: Sequence[Trial], count: int = 1) -> IdeaRequest:
    return IdeaRequest(origin=Origin.EXPLORE, count=count, shown=tuple(trials))


def fresh(count: int) -> IdeaRequest:
    return IdeaRequest(origin=Origin.FRESH, count=count)


def too_long_above(characters: int, otherwise: Script) -> Script:
    """Return a script whose model has room for so many characters of conversation."""

    def script(asked: Asked) -> Reply | str:
        if len(json.dumps(asked.body["messages"])) > characters:
            return Reply(fault=Fault.CONTEXT_TOO_LONG)
        return otherwise(asked)

    return script


def turns(asked: Asked) -> list[str]:
    return [turn["role"] for turn in asked.body["messages"] if turn["role"] != "system"]


# ---- the ideator ---------------------------------------------------------------------------------


async def test_a_past_too_long_for_the_model_is_halved_until_it_fits_and_that_is_said(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    past = [trial_of(n, score=2.0 - n % 7 / 10) for n in range(100)]
    script = too_long_above(12_000, lambda _: block(0, parents="e00-i006, e00-i099, e00-i000"))
    async with journal_of(kind, script, tmp_path) as (loopback, journal):
        (one,) = await propose(kind, journal, exploring(past))
        (call,) = journal.calls_after(0)
    shown = [n for n in range(100) if f"e00-i{n:03d}: val_loss" in str(loopback.asked[-1].body)]
    assert len(loopback.asked) == 4, "100, 50, 25 and then 12 past ideas"
    assert shown == [6, 13, 20, 27, 34, 41, *range(94, 100)], "half the best, half the latest"
    assert call.left_out == "88 of 100 past ideas"
    assert "leaving out 88 of 100 past ideas" in caplog.text
    assert one.parents == ("e00-i006", "e00-i099"), "a parent that was not shown is none"


async def test_a_codebase_too_long_for_the_model_is_an_error_and_no_loop(kind: str, tmp_path: Path):
    past = [trial_of(n, score=1.5) for n in range(3)]
    async with journal_of(kind, too_long_above(0, lambda _: "unused"), tmp_path) as (loopback, j):
        with pytest.raises(ContextTooLong, match="212345 tokens"):
            await propose(kind, j, exploring(past))
    assert len(loopback.asked) == 3, "with 3 past ideas, with 1 and with none"


async def test_earlier_answers_are_dropped_once_no_past_idea_is_left(kind: str, tmp_path: Path):
    def script(asked: Asked) -> str:
        return block(1) if "still missing" in asked.prompt else block(0) + "so long " * 1000

    async with journal_of(kind, too_long_above(5000, script), tmp_path) as (loopback, journal):
        # what is asked for again begins anew, and the same answer repeats itself
        ideas = await propose(kind, journal, fresh(2))
        said = [call.left_out for call in journal.calls_after(0)]
    assert len(ideas) == 1
    assert said[1] == "1 of its earlier answers"
    assert turns(loopback.asked[2]) == ["user"]


async def test_an_idea_that_was_cut_off_is_asked_for_again(kind: str, tmp_path: Path):
    def script(asked: Asked) -> Reply | str:
        if "still missing" in asked.prompt:
            return block(2)
        return Reply(text=block(0) + block(1).partition("\n[Parents]")[0], stop="max_tokens")

    async with journal_of(kind, script, tmp_path) as (loopback, journal):
        ideas = await propose(kind, journal, fresh(2))
    assert ["alpha" in ideas[0].text, "charlie" in ideas[1].text] == [True, True]
    assert "cut off at its limit" in loopback.asked[1].prompt


@pytest.mark.parametrize("nothing", [Reply(text="No.", stop="refusal"), Reply(text=" \n")])
async def test_a_refused_or_empty_answer_is_asked_for_anew_and_named(
    kind: str, nothing: Reply, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    script = lambda asked: block(0) if asked.number else nothing  # noqa: E731
    async with journal_of(kind, script, tmp_path) as (loopback, journal):
        assert len(await propose(kind, journal, fresh(1))) == 1
        ids = [call.id for call in journal.calls_after(0)]
    assert [turns(asked) for asked in loopback.asked] == [["user"], ["user"]]
    assert ids == ["e01/fresh-0", "e01/fresh-0#1"]
    assert ("declined" if nothing.stop == "refusal" else "is empty") in caplog.text


async def test_a_model_that_declines_every_time_ends_the_asking(kind: str, tmp_path: Path):
    refusing = lambda _: Reply(text="", stop="refusal")  # noqa: E731
    async with journal_of(kind, refusing, tmp_path) as (loopback, journal):
        assert await propose(kind, journal, fresh(2)) == ()
    assert len(loopback.asked) == 3


async def test_when_one_call_fails_for_good_the_others_are_still_kept(kind: str, tmp_path: Path):
    def script(asked: Asked) -> Reply | str:
        if asked.number == 0:
            return Reply(fault=Fault.OUT_OF_MONEY)
        return Reply(text=block(0), seconds=0.2)

    async with journal_of(kind, script, tmp_path) as (_, journal):
        with pytest.raises(Exception, match="wants payment"):
            await propose(kind, journal, *[fresh(1)] * 3)
        assert len(journal) == 2


# ---- the implementer -----------------------------------------------------------------------------


async def test_the_oldest_revision_is_dropped_from_a_conversation_too_long(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    def script(asked: Asked) -> str:
        return GOOD if turns(asked).count("user") == 2 and asked.number > 2 else STALE + "w " * 2000

    async with journal_of(kind, too_long_above(8000, script), tmp_path) as (loopback, journal):
        done = await implement(kind, journal)
        said = [call.left_out for call in journal.calls_after(0)]
    assert done.tree is not None
    assert [len(turns(asked)) for asked in loopback.asked] == [1, 3, 5, 3]
    assert said == ["", "", "revision 0"]
    assert "leaving out revision 0" in caplog.text


async def test_a_revision_for_which_there_is_no_room_ends_its_sample(kind: str, tmp_path: Path):
    script = too_long_above(4000, lambda _: STALE + "w " * 2000)
    async with journal_of(kind, script, tmp_path) as (loopback, journal):
        done = await implement(kind, journal)
    assert [patch.reason for patch in done.patches] == [Reason.NO_PATCH]
    assert len(loopback.asked) == 2


async def test_an_idea_for_which_there_is_no_room_is_an_error(kind: str, tmp_path: Path):
    async with journal_of(kind, too_long_above(0, lambda _: "unused"), tmp_path) as (_, journal):
        with pytest.raises(ContextTooLong):
            await implement(kind, journal)


async def test_a_diff_that_was_cut_off_is_never_applied(kind: str, tmp_path: Path):
    cut = Reply(text=GOOD + "```diff\n--- a/train.py\n+++ b/tr", stop="max_tokens")
    script = lambda asked: GOOD if asked.number else cut  # noqa: E731
    async with journal_of(kind, script, tmp_path) as (loopback, journal):
        done = await implement(kind, journal)
    assert [patch.reason for patch in done.patches] == [Reason.CUT_OFF, None]
    assert "cut off at the limit of 2000 tokens" in loopback.asked[1].prompt


@pytest.mark.parametrize(
    ("nothing", "reason", "detail"),
    [
        (Reply(text="No.", stop="refusal"), Reason.REFUSED, "the model declined"),
        (Reply(text=""), Reason.NO_PATCH, "the answer is empty (stopped: end)"),
        (
            Reply(text="", stop="max_tokens"),
            Reason.NO_PATCH,
            "the answer is empty (stopped: max_tokens)",
        ),
    ],
)
async def test_where_there_is_nothing_to_revise_the_same_is_asked_anew(
    kind: str, nothing: Reply, reason: Reason, detail: str, tmp_path: Path
):
    script = lambda asked: GOOD if asked.number else nothing  # noqa: E731
    async with journal_of(kind, script, tmp_path) as (loopback, journal):
        done = await implement(kind, journal)
    first, second = loopback.asked
    assert done.tree is not None
    assert done.patches[0].reason is reason
    assert done.patches[0].detail.startswith(detail)
    assert turns(second) == ["user"]
    if kind == "openai":
        assert first.body["seed"] != second.body["seed"], "the same seed would answer the same"


def trial_of(number: int, score: float | None) -> Trial:
    """Return a trial whose text is as long as ideas are."""
    one = builders.trial(number, score)
    return replace(one, idea=said_to_be_long(one.idea))


def said_to_be_long(idea: Idea) -> Idea:
    """Return the idea in as many words as models use."""
    return replace(idea, text=f"{idea.text} {'It trains better. ' * 30}")
