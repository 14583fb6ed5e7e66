"""Responses to rewards, for training. What the scorer counts is another matter: see task.md."""

from dataclasses import dataclass

from answers import extract_answer, is_same


@dataclass(frozen=True)
class Reward:
    total: float  # what the policy is trained for
    formatted: float  # 1 where the response has the form that the prompt asks for
    correct: float  # 1 where it also has the right answer


def reward(response: str, truth: str) -> Reward:
    """Judge a response: 1 for the right answer in the right form, 0 for all else (r1_zero)."""
    answer = extract_answer(response)
    formatted = float(answer is not None)
    correct = float(answer is not None and is_same(answer, truth))
    return Reward(total=correct, formatted=formatted, correct=correct)
