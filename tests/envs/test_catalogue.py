"""The offline provider's ideas for nanogpt, taken through the gates that a model's answers meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
import torch

from airr.executor.codebases import Tree, read_tree
from airr.executor.diffs import Rejection, apply_answer
from airr.llm.catalogue import Catalogue, Part, Recipe
from airr.records import Reason
from tests.envs import nanogpt

CATALOGUE = Catalogue.read(nanogpt.FOLDER / "catalogue")
BASELINE = read_tree(nanogpt.CODEBASE)
SETTINGS = nanogpt.settings()

REJECTED = {
    "layer_norm_gains": Reason.NO_PATCH,
    "flash_attention": Reason.LOCKED_FILE,
    "longer_scoring_context": Reason.ILLEGAL_PATH,
}
"""Ideas whose diff is refused however often it is revised."""
MENDED = {"zero_init_outputs": Reason.NO_PATCH, "swiglu": Reason.SYNTAX}
"""Ideas whose first diff is refused and whose revision is not."""
CRASHING = {"grouped_queries", "gated_attention", "synchronised_weights"}
"""Ideas whose diff, or first diff, breaks the model."""
READING_AHEAD = {"both_directions", "neighbour_average"}
"""Ideas whose model reads later tokens."""
APPLYING = sorted(CATALOGUE.entries.keys() - REJECTED.keys())


def apply(recipe: Recipe, revision: int = 1) -> Tree | Rejection:
    """Take a recipe's diffs through the gates as the implementer does."""
    diffs = CATALOGUE.diffs_of(recipe, revision)
    answer = "\n\n".join(f"```diff\n{diff}\n```" for diff in diffs)
    return apply_answer(
        answer, BASELINE, editable=SETTINGS.editable, limit_kb=SETTINGS.patch_limit_kb
    )


def variants(slug: str) -> Iterator[Part]:
    """Return the entry with its defaults, then with each other value of each of its numbers."""
    entry = CATALOGUE.entries[slug]
    default = entry.default()
    yield default
    for changed, values in entry.numbers.items():
        for value in values[1:]:
            yield Part(slug, tuple((n, value if n == changed else v) for n, v in default.numbers))


def default(*slugs: str) -> Recipe:
    return tuple(CATALOGUE.entries[slug].default() for slug in slugs)


def write(tree: Tree, folder: Path) -> Path:
    folder.mkdir()
    for name, text in tree.items():
        (folder / name).write_text(text)
    return folder


def test_there_are_at_least_24_ideas_beside_those_that_must_fail():
    assert len(set(APPLYING) - CRASHING - READING_AHEAD) >= 24


def test_titles_are_unique():
    titles = [entry.title for entry in CATALOGUE.entries.values()]
    assert sorted(titles) == sorted(set(titles))


@pytest.mark.parametrize("slug", CATALOGUE.entries)
def test_every_number_stands_in_the_words_and_in_the_diff(slug: str):
    entry = CATALOGUE.entries[slug]
    for number, values in entry.numbers.items():
        assert len(set(values)) == len(values) > 1
        for text in (entry.experiment, entry.changes, entry.diff):
            assert f"<<{number}>>" in text
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
@pytest.mark.parametrize("revision", [0, 2])
def test_an_idea_that_cannot_be_written_is_refused_for_its_own_reason(
    slug: str, reason: Reason, revision: int
):
    refused = apply(default(slug), revision)
    assert isinstance(refused, Rejection)
    assert refused.reason is reason


@pytest.mark.parametrize(("slug", "reason"), MENDED.items())
def test_a_wrong_first_diff_is_refused_before_its_revision_passes(slug: str, reason: Reason):
    refused = apply(default(slug), revision=0)
    assert isinstance(refused, Rejection)
    assert refused.reason is reason
    assert not isinstance(apply(default(slug), revision=1), Rejection)


def test_ideas_of_different_groups_apply_one_after_the_other():
    pairs = [
        default(one, other)
        for one, other in combinations(APPLYING, 2)  # recipes name their parts in this order
        if CATALOGUE.entries[one].group != CATALOGUE.entries[other].group
    ]
    sample = Random(0).sample(pairs, 300)
    combined = sum(not isinstance(apply(pair), Rejection) for pair in sample)
    assert combined / len(sample) >= 0.85


@torch.inference_mode()
def answers(codebase: Path, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a model's logits for whole sequences, and for the same token by token."""
    with nanogpt.modules(codebase, "config", "model") as (config, model):
        torch.manual_seed(0)
        gpt = model.GPT(config.SCALES["tiny"]).eval()
        for weight in gpt.parameters():
            weight.normal_(std=0.2)  # what begins at zero must not hide what it will do
        whole, _ = gpt(tokens)
        streamed, cache = [], None
        for position in range(tokens.size(1)):
            logits, cache = gpt(tokens[:, position : position + 1], cache)
            streamed.append(logits)
    return whole, torch.cat(streamed, dim=1)


def trees_of_models() -> Mapping[str, Tree]:
    """Return one tree for each different model.py of the ideas, numbers at their defaults."""
    models: dict[str, Tree] = {"baseline": BASELINE}
    for slug in APPLYING:
        tree = apply(default(slug))
        assert not isinstance(tree, Rejection)
        if tree["model.py"] != BASELINE["model.py"] or tree["config.py"] != BASELINE["config.py"]:
            models[slug] = tree
    return models


def test_models_answer_alike_for_whole_sequences_and_token_by_token(tmp_path: Path):
    tokens = torch.randint(0, 256, (2, 64), generator=torch.Generator().manual_seed(0))
    different: set[str] = set()
    crashed: set[str] = set()
    for slug, tree in trees_of_models().items():
        try:
            whole, streamed = answers(write(tree, tmp_path / slug), tokens)
        except RuntimeError:
            crashed.add(slug)
            continue
        if not torch.allclose(whole, streamed, rtol=1e-3, atol=1e-3):
            different.add(slug)
    assert different == READING_AHEAD
    assert crashed == {"grouped_queries"}


def test_the_first_diff_of_the_gate_applies_and_then_crashes(tmp_path: Path):
    tree = apply(default("gated_attention"), revision=0)
    assert not isinstance(tree, Rejection)
    with pytest.raises(RuntimeError, match="must match the size"):
        answers(write(tree, tmp_path / "gated"), torch.zeros(2, 8, dtype=torch.long))


@pytest.mark.parametrize("revision", [0, 1])
def test_the_first_diff_of_the_slow_weights_outlives_the_preflight_and_then_crashes(
    tmp_path: Path, revision: int
):
    tree = apply(default("synchronised_weights"), revision)
    assert not isinstance(tree, Rejection)
    with nanogpt.modules(write(tree, tmp_path / "slow"), "config", "optimizer") as (config, module):
        weight = torch.nn.Parameter(torch.ones(4))
        optimizer = module.AdamW([weight], config.SCALES["tiny"])
        for _ in range(4):  # the preflight takes two steps
            weight.grad = torch.ones(4)
            optimizer.step(0.1)
        before, weight.grad = weight.detach().clone(), torch.ones(4)
        if revision == 0:
            with pytest.raises(AttributeError, match="slow_weights"):
                optimizer.step(0.1)
        else:
            optimizer.step(0.1)
            assert (weight > before).all(), "half of the way is taken back"
