"""The training data: problems with their answers, in an order drawn from the seed.

AIRR_DATA holds model/ (config.json, tokenizer.json, safetensors), prompt.txt, in which {problem}
stands for the problem, and problems.jsonl with one {"problem": ..., "answer": ...} on each line.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer


@dataclass(frozen=True)
class Problem:
    """A prompt to answer, and the answer that is right."""

    prompt: list[int]  # tokens
    answer: str


def read_problems(folder: Path, tokenizer: Tokenizer, longest: int) -> list[Problem]:
    """Return the problems whose prompts have at most `longest` tokens."""
    template = (folder / "prompt.txt").read_text()
    lines = (folder / "problems.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    prompts = [template.replace("{problem}", record["problem"]) for record in records]
    encoded = tokenizer.encode_batch(prompts, add_special_tokens=False)
    problems = [
        Problem(prompt.ids, record["answer"])
        for prompt, record in zip(encoded, records, strict=True)
    ]
    return [problem for problem in problems if len(problem.prompt) <= longest]


def shuffled(problems: Sequence[Problem], size: int, seed: int) -> Iterator[list[Problem]]:
    """Yield the problems of each step: all of them in random order, then in another, for ever."""
    rng = np.random.default_rng(seed)
    assert len(problems) >= size, f"{len(problems)} problems are less than one step's {size}"
    while True:
        order = rng.permutation(len(problems))
        for first in range(0, len(order) - size + 1, size):
            yield [problems[index] for index in order[first : first + size]]
