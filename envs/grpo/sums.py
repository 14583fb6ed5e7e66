"""Sums of two numbers of two digits: the problems, the tokenizer and the teacher of grpo_tiny.

The teacher works digit by digit from the right, writes down the sum of each place, carry included,
and reads the answer off. Every few places it counts one too many, and goes on from there: a policy
that has learned from it knows how to add, and has to learn to be careful.
"""

from __future__ import annotations

import json
import random

from prompts import SUM

DIGITS = 2
TRAINING = 4096
"""Problems to train on; there are ten thousand."""
VALIDATION = 500
SLIP = 0.25
"""The chance that the teacher counts one too many in a place."""

MARKS = ("<|endoftext|>", "<think>", "</think>", "<answer>", "</answer>")
CHARACTERS = "0123456789+ \n"
CONFIG = {
    "model_type": "qwen2",
    "vocab_size": len(MARKS) + len(CHARACTERS),
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "eos_token_id": 0,
}
"""A Qwen2 of 0.1M parameters, in the words of a config.json."""

Sum = tuple[int, int]


def draw(rng: random.Random, count: int, without: frozenset[Sum] = frozenset()) -> list[Sum]:
    """Return so many different sums, none of them in `without`."""
    drawn: dict[Sum, None] = {}
    while len(drawn) < count:
        pair = (rng.randrange(10**DIGITS), rng.randrange(10**DIGITS))
        if pair not in without:
            drawn[pair] = None
    return list(drawn)


def training_sums() -> list[Sum]:
    """Return the sums to train on, the same everywhere."""
    return draw(random.Random("grpo_tiny"), TRAINING)


def record(pair: Sum) -> dict[str, str]:
    """Return a sum as a line of problems.jsonl."""
    return {"problem": f"{pair[0]}+{pair[1]}", "answer": str(sum(pair))}


def lesson(pair: Sum, rng: random.Random) -> tuple[str, str]:
    """Return a prompt, and what the teacher writes behind it."""
    places: list[int] = []
    carry = 0
    for power in range(DIGITS):
        place = sum(number // 10**power % 10 for number in pair) + carry
        place += rng.random() < SLIP
        places.append(place)
        carry = place // 10
    answer = sum(place % 10 * 10**power for power, place in enumerate(places))
    answer += carry * 10**DIGITS
    reasoning = " ".join(map(str, places))
    prompt = SUM.replace("{problem}", record(pair)["problem"])
    return prompt, f" {reasoning} </think> <answer> {answer} </answer>"


def tokenizer_json() -> str:
    """Return a tokenizer of single characters, and of each mark as one token."""
    vocabulary = {token: index for index, token in enumerate((*MARKS, *CHARACTERS))}
    marks = [
        {
            "id": vocabulary[mark],
            "content": mark,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": False,
        }
        for mark in MARKS
    ]
    characters = {
        "type": "Split",
        "pattern": {"Regex": r"[\s\S]"},
        "behavior": "Isolated",
        "invert": False,
    }
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": marks,
            "normalizer": None,
            "pre_tokenizer": characters,
            "post_processor": None,
            "decoder": {"type": "Fuse"},
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": MARKS[0]},
        },
        indent=1,
    )
