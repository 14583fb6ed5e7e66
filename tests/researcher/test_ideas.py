"""The ideator: what it asks, what it takes of the answers, and what it asks for again."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from airr.config import Base, Search
from airr.records import Idea, Origin
from airr.researcher.strategy import IdeaRequest
from tests import asking
from tests.builders import BASELINE_SCORE, SEARCH, trial
from tests.scripted import Scripted, answer

WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")


def block(number: int, parents: str = "none") -> str:
    word = WORDS[number]
    return (
        f"[Experiment] Train with {word} in the {word} layer.\n"
        f"[Code Changes] Add {word}.\n[Parents] {parents}\n[End]\n"
    )


async def propose(
    model: Scripted,
    *requests: IdeaRequest,
    tried: Sequence[str] = (),
    search: Search = SEARCH,
) -> tuple[Idea, ...]:
    ideator = asking.ideator(model.ask, search=search, codebase={"train.py": "x = 1\ny = 2\n"})
    return await ideator.propose(requests, epoch=2, baseline=BASELINE_SCORE, tried=tried)


def fresh(count: int) -> IdeaRequest:
    return IdeaRequest(origin=Origin.FRESH, count=count)


async def test_ideas_are_numbered_in_the_order_of_the_requests():
    model = Scripted(lambda r: block(0) + block(1) if r.id.endswith("-0") else block(2))
    ideas = await propose(model, fresh(2), fresh(1))
    assert [one.id for one in ideas] == ["e02-i000", "e02-i001", "e02-i002"]
    assert ["alpha" in ideas[0].text, "charlie" in ideas[2].text] == [True, True]


async def test_a_short_answer_is_asked_for_the_rest_in_the_same_conversation():
    model = Scripted(lambda r: block(1) + block(2) if "#" in r.id else block(0))
    ideas = await propose(model, fresh(3))
    assert len(ideas) == 3
    again = model.asked[1]
    assert again.id == "e02/fresh-0#1"
    assert [message.role for message in again.messages] == ["user", "assistant", "user"]
    assert "2 ideas are still missing" in again.messages[-1].text


async def test_what_was_tried_before_is_dropped_shown_and_asked_for_again():
    old = "[Experiment] Train with alpha in the alpha layer.\n[Code Changes] Add alpha."
    model = Scripted(lambda r: block(1) if "#" in r.id else block(0))
    (one,) = await propose(model, fresh(1), tried=[old])
    assert "bravo" in one.text
    assert old in model.asked[1].messages[-1].text


async def test_two_requests_that_get_the_same_idea_keep_one_of_it():
    model = Scripted(lambda r: block(3) if "#" in r.id else block(0))
    ideas = await propose(model, fresh(1), fresh(1))
    assert ["alpha" in ideas[0].text, "delta" in ideas[1].text] == [True, True]


async def test_an_epoch_makes_do_with_less_when_nothing_new_comes():
    model = Scripted(lambda _: block(0))
    assert len(await propose(model, fresh(3))) == 1
    assert len(model.asked) == 3


async def test_more_ideas_than_asked_for_are_left_out():
    model = Scripted(lambda _: "".join(block(n) for n in range(6)))
    assert len(await propose(model, fresh(2))) == 2


async def test_the_prompt_shows_scores_and_failures_and_the_numbered_codebase():
    crashed = trial(1, None)
    request = IdeaRequest(origin=Origin.EXPLORE, count=1, shown=(trial(0, 1.9), crashed))
    model = Scripted(lambda _: block(0))
    await propose(model, request)
    (asked,) = model.asked
    assert "e00-i000: val_loss 1.9000" in asked.messages[0].text
    assert "e00-i001: failed (crash while train)" in asked.messages[0].text
    assert "val_loss 2.0000" in asked.messages[0].text, "the measured baseline"
    assert "  2 | y = 2" in asked.system


async def test_of_the_parents_that_a_model_names_those_count_that_it_was_shown():
    request = IdeaRequest(origin=Origin.EXPLOIT, count=1, shown=(trial(0, 1.9), trial(4, 1.8)))
    model = Scripted(lambda _: block(0, parents="e00-i004, e00-i009"))
    (one,) = await propose(model, request)
    assert one.parents == ("e00-i004",)
    assert one.origin is Origin.EXPLOIT


@pytest.mark.parametrize(
    ("origin", "parents"),
    [(Origin.EXPLOIT, ("e00-i004",)), (Origin.DEBUG, ("e00-i004",)), (Origin.EXPLORE, ())],
)
async def test_what_builds_on_the_one_trial_shown_is_its_child_named_or_not(
    origin: Origin, parents: tuple[str, ...]
):
    request = IdeaRequest(origin=origin, count=1, shown=(trial(4, 1.8),), island=2)
    (one,) = await propose(Scripted(lambda _: block(0)), request)
    assert (one.parents, one.island) == (parents, 2)


async def test_whoever_mends_a_failed_idea_is_told_what_went_wrong():
    model = Scripted(lambda _: block(0))
    await propose(model, IdeaRequest(origin=Origin.DEBUG, count=1, shown=(trial(1, None),)))
    (asked,) = model.asked
    assert "e00-i001: failed (crash while train)" in asked.messages[0].text
    assert "What went wrong:\nit ended" in asked.messages[0].text


async def test_tokens_are_shared_out_among_the_ideas_of_an_answer():
    said = answer(block(0) + block(1), output_tokens=100, thinking_tokens=60)
    ideas = await propose(Scripted(lambda _: said), fresh(2))
    assert [(one.idea_tokens, one.thinking_tokens) for one in ideas] == [(50, 30), (50, 30)]


async def test_the_prompt_names_the_sealed_files_as_reserved():
    model = Scripted(lambda _: block(0))
    await propose(model, fresh(1))
    assert "Reserved: sealed/score.py." in model.asked[0].system


async def test_calls_that_ask_the_same_differ_in_their_seed():
    """A served model gives one answer to one prompt with one seed."""
    model = Scripted(lambda r: block(int(r.id[-1])))
    await propose(model, fresh(1), fresh(1), fresh(1))
    assert len({request.seed for request in model.asked}) == 3
    assert len({request.messages for request in model.asked}) == 1


async def test_calls_that_show_the_same_trials_begin_alike_and_are_marked_for_the_cache():
    past = tuple(trial(n, 1.9 - n / 100) for n in range(6))
    same = [
        IdeaRequest(origin=Origin.EXPLOIT, count=1, shown=past),
        IdeaRequest(origin=Origin.EXPLOIT, count=1, shown=past[::-1]),
        IdeaRequest(origin=Origin.EXPLOIT, count=1, shown=past[:3]),
    ]
    model = Scripted(lambda r: block(int(r.id[-1])))
    await propose(model, *same)
    first, second, other = (request.messages[0] for request in model.asked)
    assert first == second
    assert (first.cache_until_here, other.cache_until_here) == (True, False)


BROKEN = trial(1, None)
ON_PARENT = replace(BROKEN, idea=replace(BROKEN.idea, base="e00-i009"))


@pytest.mark.parametrize(
    ("how", "request_", "base"),
    [
        (Base.BASELINE, IdeaRequest(origin=Origin.EXPLOIT, count=1, shown=(trial(4, 1.8),)), None),
        (
            Base.PARENT,
            IdeaRequest(origin=Origin.EXPLOIT, count=1, shown=(trial(4, 1.8), trial(5, 1.9))),
            "e00-i005",
        ),
        (Base.PARENT, IdeaRequest(origin=Origin.EXPLORE, count=1, shown=(trial(5, 1.8),)), None),
        (Base.PARENT, IdeaRequest(origin=Origin.FRESH, count=1), None),
        (
            Base.PARENT,
            IdeaRequest(origin=Origin.DEBUG, count=1, shown=(ON_PARENT,)),
            "e00-i009",
        ),
    ],
)
async def test_what_exploits_is_based_on_its_first_parent_and_what_is_mended_on_what_it_stood_on(
    how: Base, request_: IdeaRequest, base: str | None
):
    model = Scripted(lambda _: block(0, parents="e00-i005, e00-i004"))
    (one,) = await propose(model, request_, search=replace(SEARCH, base=how))
    assert one.base == base
    told = "on the codebase of the first of its parents" in model.asked[0].messages[0].text
    assert told == (how is Base.PARENT and request_.origin is Origin.EXPLOIT)
