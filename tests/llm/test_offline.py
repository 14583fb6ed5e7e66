"""The provider that asks no model: real ideas, deterministic, through the same protocol."""

import random
from typing import Any

import pytest

from airr.errors import ConfigError
from airr.executor.codebases import Tree, read_tree
from airr.executor.diffs import Rejection, apply_answer
from airr.executor.plans import env_folder
from airr.llm.catalogue import Catalogue, Entry, Part, recipe_name, undo
from airr.llm.offline import Offline
from airr.llm.protocol import Purpose, Request
from airr.parsing import parse_config
from airr.researcher.blocks import parse_blocks
from airr.titles import titles_of
from tests.test_config import composed

ENV = parse_config(composed())
CATALOGUE = Catalogue.read(env_folder(ENV) / "catalogue")


def request(purpose: Purpose = Purpose.IDEATE, seed: int = 0, **variables: Any) -> Request:
    asked = {"origin": "fresh", "count": 8, "shown": [], "tried": [], "built_on": ""} | variables
    return Request(
        id="e00/fresh-0",
        purpose=purpose,
        model="offline",
        system="",
        messages=(),
        temperature=1.0,
        max_tokens=1,
        thinking_tokens=0,
        seed=seed,
        variables=asked,
    )


async def ideas_for(**variables: Any) -> list[str]:
    said = await Offline(CATALOGUE).complete(request(**variables))
    return [block.text for block in parse_blocks(said.text)]


def parents(*slugs: str) -> list[dict[str, str]]:
    return [
        {"id": f"e00-i{n:03d}", "text": CATALOGUE.text_of((CATALOGUE.entries[slug].default(),), ())}
        for n, slug in enumerate(slugs)
    ]


async def test_the_same_request_gets_the_same_answer_and_another_seed_another():
    assert await ideas_for() == await ideas_for()
    assert await ideas_for() != await ideas_for(seed=1)


async def test_what_was_tried_is_not_proposed_again_until_the_catalogue_is_used_up():
    tried: list[str] = []
    for _ in range(12):
        new = await ideas_for(origin="explore", tried=tried)
        assert len(new) == 8
        assert not set(new) & set(tried)
        tried += new
    recipes = [CATALOGUE.recipe_in(text) for text in tried]
    assert len({recipe_name(recipe) for recipe in recipes if recipe}) == 96


async def test_exploiting_goes_on_to_what_was_not_tried_and_other_numbers_are_another_idea():
    shown = parents("sharp_attention", "short_convolution")
    sharper = (Part("sharp_attention", (("gain", "8"),)),)
    shown.append({"id": "e00-i002", "text": CATALOGUE.text_of(sharper, ())})
    tried = [past["text"] for past in shown]
    for seed in range(8):
        tried += await ideas_for(origin="exploit", shown=shown, tried=tried, seed=seed)
    names = [recipe_name(CATALOGUE.recipe_in(text) or ()) for text in tried]
    assert len(names) == len(set(names)) == 67
    convolved = "sharp_attention(gain={}) + short_convolution(taps=4)"
    assert {convolved.format(4), convolved.format(8)} <= set(names)
    openings = [
        title.within() for title in titles_of(dict(zip(names, tried, strict=True))).values()
    ]
    assert len(openings) == len(set(openings)), "nor does any table show two of them alike"


async def test_a_catalogue_of_one_idea_goes_on_with_its_numbers():
    one = Catalogue([CATALOGUE.entries["peak_lr"]])
    said = await Offline(one).complete(request(count=3))
    recipes = {one.recipe_in(block.text) for block in parse_blocks(said.text)}
    assert len(recipes) == 3


async def test_exploiting_merges_varies_and_extends_the_parents_it_was_shown():
    shown = parents("muon", "rotary")
    said = await Offline(CATALOGUE).complete(request(origin="exploit", shown=shown))
    blocks = parse_blocks(said.text)
    assert all(block.parents for block in blocks)
    assert any(set(block.parents) == {"e00-i000", "e00-i001"} for block in blocks)
    used = [{part.slug for part in CATALOGUE.recipe_in(block.text) or ()} for block in blocks]
    assert all(slugs & {"muon", "rotary"} for slugs in used)
    assert any(len(slugs) > 1 for slugs in used)


async def test_a_failed_idea_is_mended_by_leaving_out_a_part_and_by_other_numbers():
    merged = tuple(CATALOGUE.entries[slug].default() for slug in ("muon", "rotary"))
    shown = [{"id": "e00-i000", "text": CATALOGUE.text_of(merged, ())}]
    said = await Offline(CATALOGUE).complete(request(origin="debug", shown=shown, count=3))
    blocks = parse_blocks(said.text)
    assert all(block.parents == ("e00-i000",) for block in blocks)
    slugs = [[part.slug for part in CATALOGUE.recipe_in(block.text) or ()] for block in blocks]
    assert sorted(slugs[:2]) == [["muon"], ["rotary"]]
    assert sorted(slugs[2]) == ["muon", "rotary"]


async def test_every_idea_of_its_own_is_known_again_from_its_text():
    for text in await ideas_for(count=40):
        assert CATALOGUE.recipe_in(text) is not None


async def test_an_entry_that_is_wrong_at_first_is_mended_at_the_revision():
    text = parents("swiglu")[0]["text"]
    answers = [
        await Offline(CATALOGUE).complete(request(Purpose.IMPLEMENT, idea=text, revision=revision))
        for revision in range(2)
    ]
    assert answers[0].text != answers[1].text
    assert CATALOGUE.entries["swiglu"].diff.strip() in answers[1].text


@pytest.mark.parametrize("seed", range(7))
async def test_on_a_parents_codebase_an_idea_becomes_what_it_is_on_the_unmodified_one(seed: int):
    """Merged, varied or extended: what the parent has is kept, undone or replaced.

    These seeds draw entries that are meant to apply.
    """
    rng = random.Random(seed)
    baseline = read_tree(env_folder(ENV) / "codebase")
    slugs = rng.sample(sorted(CATALOGUE.entries), 2)
    shown = parents(*slugs)
    tried = [one["text"] for one in shown]
    said = await Offline(CATALOGUE).complete(request(origin="exploit", shown=shown, tried=tried))
    for block in parse_blocks(said.text)[:3]:
        parent = next(one["text"] for one in shown if one["id"] == block.parents[0])
        base = await built(parent, baseline)
        assert not isinstance(base, Rejection)
        assert await built(block.text, base, built_on=parent) == await built(block.text, baseline)


async def test_other_numbers_on_a_parents_codebase_take_the_place_of_its_own():
    baseline = read_tree(env_folder(ENV) / "codebase")
    entry = CATALOGUE.entries["peak_lr"]
    varied = Part(entry.slug, tuple((name, values[-1]) for name, values in entry.numbers.items()))
    parent, child = (CATALOGUE.text_of((part,), ()) for part in (entry.default(), varied))
    base = await built(parent, baseline)
    assert not isinstance(base, Rejection)
    assert await built(child, base, built_on=parent) == await built(child, baseline) != base


def test_a_diff_that_is_undone_leads_back():
    diff = (
        "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,3 @@ def f():\n-y\n+z\n+w\n  same\n"
        "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+one\n"
    )
    assert undo(diff) == (
        "--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,2 @@ def f():\n+y\n-z\n-w\n  same\n"
        "--- a/new.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n"
    )


async def built(idea: str, tree: Tree, built_on: str = "") -> Tree | Rejection:
    asked = request(Purpose.IMPLEMENT, idea=idea, revision=1, built_on=built_on)
    said = await Offline(CATALOGUE).complete(asked)
    return apply_answer(said.text, tree, editable=["*.py"], limit_kb=64)


async def test_an_idea_that_is_not_its_own_is_declined_in_words():
    said = await Offline(CATALOGUE).complete(
        request(Purpose.IMPLEMENT, idea="Use a bigger GPU.", revision=0)
    )
    assert "not one of the catalogue" in said.text


def test_numbers_stand_in_text_and_diff_alike():
    entry = Entry(
        slug="lr",
        title="Rate",
        group="rate",
        experiment="A rate of <<lr>>.",
        changes="Set it to <<lr>>.",
        diff="+lr = <<lr>>",
        numbers={"lr": ("0.1", "0.2")},
    )
    catalogue = Catalogue([entry])
    recipe = catalogue.recipe_in("Recipe: lr(lr=0.2)")
    assert recipe is not None
    (part,) = recipe
    assert "A rate of 0.2." in catalogue.text_of((part,), ())
    assert catalogue.diffs_of((part,), 0) == ["+lr = 0.2"]
    assert entry.default().numbers == (("lr", "0.1"),)


def test_an_environment_without_a_catalogue_says_what_to_do(tmp_path: Any):
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        Catalogue.read(tmp_path)
