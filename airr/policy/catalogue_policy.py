"""A small policy for machines without a GPU: a language model of the offline catalogue's ideas.

It is trained from nothing, on the catalogue's texts with their numbers varied, until it writes
most of them down well enough to be implemented. What it proposes is the catalogue's, and so is what
can be learned from it: which of its ideas pay.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

from airr.llm.catalogue import Catalogue, Part, recipe_name
from airr.policy.checkpoints import new_checkpoint

BEGIN, END = "<|begin|>", "<|end|>"
VARIATIONS = 4
"""Texts of each entry, at most: its numbers as they are proposed first, and varied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How large the model is, and how long it learns."""

    vocabulary: int = 2048
    width: int = 128
    layers: int = 2
    heads: int = 4
    context: int = 256
    steps: int = 240
    batch: int = 16
    learning_rate: float = 3e-3


def texts_of(catalogue: Catalogue) -> list[str]:
    """Return the ideas that the policy learns to write, in few words: all that are no cheats."""
    texts: list[str] = []
    for entry in catalogue.entries.values():
        if entry.cheat:
            continue
        names = list(entry.numbers)
        values = itertools.product(*(entry.numbers[name] for name in names))
        for combination in itertools.islice(values, VARIATIONS):
            numbers = tuple(zip(names, combination, strict=True))
            recipe = recipe_name((Part(entry.slug, numbers),))
            told = f"[Experiment] {entry.title}.\n[Code Changes] As catalogued."
            texts.append(f"{told}\nRecipe: {recipe}\n[End]")
    return texts


def make_catalogue_policy(
    texts: Sequence[str], target: Path, recipe: Recipe, *, seed: int, tell: Callable[[str], None]
) -> None:
    """Train the model on `texts` and put it, with its tokenizer, in place as `target`."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # with so small a model, threads wait for each other
    tokenizer = _tokenizer(texts, recipe)
    logging.disable_progress_bar()
    model = Qwen3ForCausalLM(_config(tokenizer, recipe))
    ids = [tokenizer(f"{BEGIN}{text}{END}")["input_ids"][: recipe.context] for text in texts]
    _train(model, ids, recipe, random.Random(seed), tell)
    with new_checkpoint(target) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _tokenizer(texts: Sequence[str], recipe: Recipe) -> Any:
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    plain.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=plain, bos_token=BEGIN, eos_token=END)


def _config(tokenizer: Any, recipe: Recipe) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=3 * recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        head_dim=recipe.width // recipe.heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _train(
    model: Any,
    ids: Sequence[Sequence[int]],
    recipe: Recipe,
    rng: random.Random,
    tell: Callable[[str], None],
) -> None:
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    model.train()
    for step in range(1, recipe.steps + 1):
        drawn = rng.choices(ids, k=recipe.batch)
        longest = max(map(len, drawn))
        tokens = torch.tensor([[*one, *([0] * (longest - len(one)))] for one in drawn])
        labels = torch.tensor([[*one, *([-100] * (longest - len(one)))] for one in drawn])
        loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 50 == 0 or step == recipe.steps:
            tell(f"policy: step {step} of {recipe.steps}, loss {loss.item():.3f} nats/token")
