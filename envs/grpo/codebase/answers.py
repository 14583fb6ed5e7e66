"""Responses to answers, and answers compared.

A response has the form `reasoning </think> <answer> answer </answer>`; the prompt has already
opened the reasoning. Answers are numbers or LaTeX; math-verify decides what means the same.
"""

import re

FORM = re.compile(
    r"(?:(?!</?answer>).)*</think> <answer>(?P<answer>(?:(?!</?answer>).)*)</answer>", re.DOTALL
)
INTEGER = re.compile(r"[-+]?\d{1,18}")
WRAPPERS = (("\\boxed{", "}"), ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
LOOKS = re.compile(r"\\left|\\right|\\[!,;: ]|\s")
BASE = re.compile(r"\d_\{?(\d+)\}?$")
CHOICE = re.compile(r"\bor\b")
LONGEST = 300  # characters: what is longer is no answer
DIGITS = 12  # behind the point: numbers that agree in so many are the same
SECONDS = 3  # for reading an answer, and for comparing it


def extract_answer(response: str) -> str | None:
    """Return what stands between the tags, or None where a response does not have the form."""
    found = FORM.fullmatch(response)
    return found["answer"].strip() if found else None


def is_same(answer: str, truth: str) -> bool:
    """Tell whether an answer is the true one, however it is written."""
    verdict = compare_texts(answer, truth)
    return means_the_same(answer, truth) if verdict is None else verdict


def compare_texts(answer: str, truth: str) -> bool | None:
    """Return what the mere texts say of two answers: the same, different, or (None) neither."""
    answer, truth = unwrap(answer), unwrap(truth)
    if INTEGER.fullmatch(answer) and INTEGER.fullmatch(truth):
        return int(answer) == int(truth)
    if LOOKS.sub("", answer) == LOOKS.sub("", truth):
        return True
    hedged = CHOICE.search(answer) and not CHOICE.search(truth)
    return None if is_one_expression(answer) and not hedged else False


def is_one_expression(answer: str) -> bool:
    """Tell whether an answer can be read in one way only: no expressions side by side."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", answer):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    more = re.search(r"(?<!\\)\$|\\boxed|\\\(|\\\[|\n", answer)
    return depth == 0 and not more and 0 < len(answer) <= LONGEST


def unwrap(answer: str) -> str:
    """Return an answer without the dollars, the box or the full stop around it."""
    answer = without_stop(answer)
    for left, right in WRAPPERS:
        if answer.startswith(left) and answer.endswith(right):
            inside = without_stop(answer[len(left) : len(answer) - len(right)])
            return inside if is_one_expression(inside) else answer
    return answer


def without_stop(answer: str) -> str:
    """Return an answer without the space around it, and the full stop behind it."""
    return answer.strip().removesuffix(".").rstrip()


def means_the_same(answer: str, truth: str) -> bool:
    """Compare two answers as mathematics; what cannot be read is not the same."""
    from math_verify import LatexExtractionConfig, parse, verify  # noqa: PLC0415 - seconds

    answer, truth = unwrap(answer), unwrap(truth)
    bases = [found[1] if (found := BASE.search(text)) else None for text in (answer, truth)]
    if None not in bases and bases[0] != bases[1]:
        return False  # math-verify reads 11_2 and 11_3 as eleven
    latex = [LatexExtractionConfig()]  # its other ways to read an answer end in eval
    read = [parse(f"\\boxed{{{text}}}", latex, parsing_timeout=SECONDS) for text in (truth, answer)]
    return verify(*read, float_rounding=DIGITS, timeout_seconds=SECONDS)
