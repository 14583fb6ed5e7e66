"""MATH (Hendrycks et al., arXiv 2103.03874): 7,500 problems to train on, 500 to score on.

From a folder with train.jsonl and test.jsonl, in which each line has at least a problem and an
answer; or from the hub, where the answers of the training set stand in the solutions' last box.
"""

from __future__ import annotations

import json
from pathlib import Path

HUB_TRAIN = "EleutherAI/hendrycks_math"
HUB_VALIDATION = "HuggingFaceH4/MATH-500"
SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)

Record = dict[str, str]


class BadProblems(Exception):
    """A file of problems is missing or is none; the message says which."""


def from_folder(folder: Path) -> tuple[list[Record], list[Record]]:
    """Return the problems to train on and to score on.

    Raises:
        BadProblems: a file is missing, or a line has no problem or no answer.
    """
    train, validation = (read_lines(folder / name) for name in ("train.jsonl", "test.jsonl"))
    return check_apart(with_answers(train), with_answers(validation))


def from_hub() -> tuple[list[Record], list[Record]]:
    """Return the same from huggingface.co."""
    import pandas as pd  # noqa: PLC0415 - only where something is fetched
    from huggingface_hub import hf_hub_download  # noqa: PLC0415

    train: list[Record] = []
    for subject in SUBJECTS:
        name = f"{subject}/train-00000-of-00001.parquet"
        frame = pd.read_parquet(hf_hub_download(HUB_TRAIN, name, repo_type="dataset"))
        train += [
            {"problem": problem, "answer": boxed(solution)}
            for problem, solution in zip(frame["problem"], frame["solution"], strict=True)
        ]
    validation = read_lines(
        Path(hf_hub_download(HUB_VALIDATION, "test.jsonl", repo_type="dataset"))
    )
    return check_apart(with_answers(train), with_answers(validation))


def read_lines(path: Path) -> list[Record]:
    """Return the problems and answers of a file; what else a line holds is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        raw = [json.loads(line) for line in lines]
        return [{"problem": str(line["problem"]), "answer": str(line["answer"])} for line in raw]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadProblems(f"{path} holds no problems with answers: {error!r}") from error


def with_answers(records: list[Record]) -> list[Record]:
    """Return the problems that have an answer: MATH's training set has two with an empty box."""
    return [record for record in records if record["answer"].strip()]


def check_apart(train: list[Record], validation: list[Record]) -> tuple[list[Record], list[Record]]:
    """Return both, if neither is empty and no problem is in both.

    Raises:
        BadProblems: it is not so.
    """
    both = {record["problem"] for record in train} & {record["problem"] for record in validation}
    if both or not train or not validation:
        raise BadProblems(
            f"{len(train)} problems to train on and {len(validation)} to score on, "
            f"{len(both)} of them the same"
        )
    return train, validation


def boxed(solution: str) -> str:
    """Return what stands in the last box of a solution.

    Raises:
        BadProblems: there is none.
    """
    start = max(solution.rfind("\\boxed"), solution.rfind("\\fbox"))
    rest = solution[start:].partition("box")[2].removeprefix("ed")
    if start < 0 or not rest:
        raise BadProblems(f"a solution has no boxed answer: {solution[-200:]!r}")
    if not rest.startswith("{"):
        return rest.split()[0].rstrip("$.")
    depth = 0
    for index, character in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return rest[1:index].strip()
    raise BadProblems(f"a solution's box is not closed: {solution[-200:]!r}")
