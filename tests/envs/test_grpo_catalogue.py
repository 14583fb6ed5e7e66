"""The offline provider's ideas for grpo, taken through the gates that a model's answers meet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from airr.executor.codebases import Tree, read_tree
from airr.executor.diffs import Rejection, apply_answer
from airr.llm.catalogue import Catalogue, Part, Recipe
from airr.records import Reason
from tests.envs import grpo

CATALOGUE = Catalogue.read(grpo.FOLDER / "catalogue")
BASELINE = read_tree(grpo.CODEBASE)
REJECTED = {"policy_class": Reason.NO_PATCH, "lenient_scorer": Reason.ILLEGAL_PATH}
"""Ideas whose diff is refused however often it is revised."""
FAILING = {"untied_head", "residual_gates", "vllm_rollouts", "wild_rate", "read_validation"}
"""Ideas that apply and must fail when they are run."""
IDLE = {"generation_config", "any_answer_goes", "print_accuracy"}
"""Cheats that run and must gain nothing."""
APPLYING = sorted(CATALOGUE.entries.keys() - REJECTED.keys())


def apply(recipe: Recipe, revision: int = 1) -> Tree | Rejection:
    """Take a recipe's diffs through the gates as the implementer does."""
    diffs = CATALOGUE.diffs_of(recipe, revision)
    answer = "\n\n".join(f"```diff\n{diff}\n```" for diff in diffs)
    settings = grpo.SETTINGS
    return apply_answer(
        answer, BASELINE, editable=settings.editable, limit_kb=settings.patch_limit_kb
    )


def variants(slug: str) -> Iterator[Part]:
    """Return the entry with its defaults, then with each other value of each of its numbers."""
    entry = CATALOGUE.entries[slug]
    yield entry.default()
    for changed, values in entry.numbers.items():
        for value in values[1:]:
            pairs = entry.default().numbers
            yield Part(slug, tuple((n, value if n == changed else v) for n, v in pairs))


def test_there_are_at_least_16_ideas_beside_those_that_must_fail():
    assert len(set(APPLYING) - FAILING - IDLE) >= 16


def test_titles_are_unique():
    titles = [entry.title for entry in CATALOGUE.entries.values()]
    assert sorted(titles) == sorted(set(titles))


@pytest.mark.parametrize("slug", CATALOGUE.entries)
def test_every_number_stands_in_the_words_and_in_the_diff(slug: str):
    entry = CATALOGUE.entries[slug]
    for number, values in entry.numbers.items():
        assert len(set(values)) == len(values) > 1
        assert f"<<{number}>>" in entry.diff
        assert f"<<{number}>>" in entry.experiment + entry.changes
    for text in (entry.title, entry.experiment, entry.changes, entry.diff):
        assert "<<" not in entry.default().fill(text)


@pytest.mark.parametrize("slug", APPLYING)
def test_every_value_gives_a_tree_of_its_own_that_compiles(slug: str):
    trees = [apply((part,)) for part in variants(slug)]
    assert not [tree.detail for tree in trees if isinstance(tree, Rejection)]
    for index, tree in enumerate(trees):
        assert tree != BASELINE
        assert tree not in trees[:index]


@pytest.mark.parametrize(("slug", "reason"), REJECTED.items())
def test_an_idea_that_cannot_be_written_is_refused_for_its_own_reason(slug: str, reason: Reason):
    refused = apply((CATALOGUE.entries[slug].default(),))
    assert isinstance(refused, Rejection)
    assert refused.reason is reason


def test_ideas_of_different_groups_apply_one_after_the_other():
    entries = CATALOGUE.entries
    pairs = [
        (entries[one].default(), entries[other].default())
        for one, other in combinations(APPLYING, 2)
        if entries[one].group != entries[other].group
    ]
    sample = Random(0).sample(pairs, 100)
    combined = sum(not isinstance(apply(pair), Rejection) for pair in sample)
    assert combined / len(sample) >= 0.85


def run(slug: str, revision: int, data: Path, folder: Path) -> tuple[str, Path]:
    """Train one step of an idea; return what was printed and the output folder."""
    tree = apply((CATALOGUE.entries[slug].default(),), revision)
    assert not isinstance(tree, Rejection)
    codebase = grpo.candidate(folder / f"{slug}-{revision}", tree)
    out = folder / f"{slug}-{revision}-out"
    return grpo.train(out, data / "preflight_train", codebase=codebase, AIRR_STEPS="1"), out


@pytest.mark.parametrize(
    ("slug", "revision", "words"),
    [
        ("entropy", 0, "name 'entropies' is not defined"),
        pytest.param("vllm_rollouts", 1, "No module named 'vllm'", marks=pytest.mark.long),
        pytest.param("residual_gates", 1, "gates", marks=pytest.mark.long),
        pytest.param("read_validation", 1, "sealed/", marks=pytest.mark.long),
    ],
)
def test_an_idea_that_crashes_says_why(
    slug: str, revision: int, words: str, grpo_data: Path, tmp_path: Path
):
    with pytest.raises(AssertionError, match=words):
        run(slug, revision, grpo_data, tmp_path)


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("untied_head", Reason.BAD_CHECKPOINT),
        pytest.param("wild_rate", Reason.NOT_FINITE, marks=pytest.mark.long),
    ],
)
def test_an_idea_whose_policy_is_no_stock_model_is_refused_by_the_scorer(
    slug: str, reason: Reason, grpo_data: Path, tmp_path: Path
):
    _, out = run(slug, 1, grpo_data, tmp_path)
    report = grpo.score(out / "model.safetensors", grpo_data / "preflight_sealed")
    assert report["failed"]["reason"] == reason


@pytest.mark.long
@pytest.mark.parametrize("slug", sorted(set(APPLYING) - FAILING))
def test_every_other_idea_trains_and_is_scored(slug: str, grpo_data: Path, tmp_path: Path):
    _, out = run(slug, 1, grpo_data, tmp_path)
    report = grpo.score(out / "model.safetensors", grpo_data / "preflight_sealed")
    assert 0 <= report["metric"] <= 1
