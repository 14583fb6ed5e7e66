"""Score a trained policy: saved weights -> accuracy on the validation problems.

    python score.py SPEC.json

Written for the worker, which fills the spec in and reads the report. Ends with exit code 0
whenever a report was written, whatever stands in it. None of the candidate's code runs: the
model, the sampling and the comparison of answers are the baseline's own files, of the installed
environment, and so are the tokenizer and the prompt.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "codebase"))

from graders import GRADER, grade_all
from tokenizers import Tokenizer
from verdict import Accuracy, CandidateFailed
from weights import load_stock

from answers import extract_answer
from model import Qwen2, read_config
from sampling import NotFinite, Response, Rows, Sampler

STOCK = Path(__file__).resolve().parent.parent / "codebase"
VERSION = "grpo-1"
"""To be raised with every change of what is measured, be it in the baseline's own files."""
NUMBERED = 9
"""So many checkpoints beside the last one count: checkpoint_01.safetensors, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a policy is asked, in the words of conf/env/grpo.yaml."""

    checkpoints: str
    problems: int
    samples: int
    temperature: float
    response_tokens: int
    rows: int
    graders: int
    grade_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """The problems, and all that is stock."""

    folder: Path
    prompts: list[list[int]]
    answers: list[str]
    tokenizer: Tokenizer
    seed: int


class TimedSampler(Sampler):
    """The stock sampler, with an end to its time."""

    deadline: float
    """A reading of time.monotonic()."""

    def advance(self, rows: Rows, temperature: float) -> None:
        """Sample one token more of every response, if there is time."""
        if time.monotonic() > self.deadline:
            raise CandidateFailed("over_budget", "the time for scoring was over before its end")
        super().advance(rows, temperature)


def read_exam(folder: Path, limit: int) -> Exam:
    """Return the first `limit` problems of a folder of sealed data."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    template = (folder / "prompt.txt").read_text(encoding="utf-8")
    lines = (folder / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines[:limit]]
    texts = [template.replace("{problem}", record["problem"]) for record in records]
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    return Exam(
        folder=folder,
        prompts=[prompt.ids for prompt in encoded],
        answers=[record["answer"] for record in records],
        tokenizer=tokenizer,
        seed=manifest["sampling_seed"],
    )


def score(spec: Mapping[str, Any], *, deadline: float) -> dict[str, Any]:
    """Score the candidate of a spec; `deadline` is a reading of time.monotonic()."""
    settings = Settings(**spec["settings"])
    exam = read_exam(Path(spec["sealed_data"]), settings.problems)
    results: list[Accuracy] = []
    for path in checkpoints_of(spec, settings):
        model = load_stock(path, read_config(exam.folder / "config.json"))
        model = model.to("cuda" if spec["gpus"] else "cpu")
        responses = ask(model, exam, settings, deadline)
        results.append(grade(path.name, responses, exam, settings, spec))
    best = max(results, key=lambda result: result.accuracy)
    return {
        "metric": best.accuracy,
        "standard_error": best.standard_error,
        "measure": _measure(settings, len(results)),
        "problems": len(exam.prompts),
        "samples": settings.samples,
        "checkpoints": [asdict(result) for result in results],
    }


def checkpoints_of(spec: Mapping[str, Any], settings: Settings) -> list[Path]:
    """Return the files to score: the last one, and before it the numbered ones if asked for."""
    last = Path(spec["checkpoint"])
    if settings.checkpoints == "last":
        return [last]
    if settings.checkpoints != "max":
        raise ValueError(f"checkpoints={settings.checkpoints!r} is unknown: it takes last or max")
    names = [f"checkpoint_{number:02d}.safetensors" for number in range(1, NUMBERED + 1)]
    return [*(path for name in names if (path := last.with_name(name)).exists()), last]


def _measure(settings: Settings, count: int) -> str:
    each = f"accuracy of {settings.samples} sample(s) a problem"
    return each if settings.checkpoints == "last" else f"maximum over {count} checkpoints, {each}"


def ask(model: Qwen2, exam: Exam, settings: Settings, deadline: float) -> list[Response]:
    """Return the responses to all problems, the samples of a problem side by side.

    Raises:
        CandidateFailed: there is no time left, or the model answers with NaN.
    """
    responses = [
        Response(prompt, seed=(exam.seed, number, sample))
        for number, prompt in enumerate(exam.prompts)
        for sample in range(settings.samples)
    ]
    longest = max(len(prompt) for prompt in exam.prompts)
    room = min(settings.response_tokens, model.config.max_position_embeddings - longest)
    sampler = TimedSampler(model, exam.tokenizer, settings.rows)
    sampler.deadline = deadline
    try:
        sampler.generate(responses, room, settings.temperature)
    except NotFinite as error:
        raise CandidateFailed("not_finite", str(error)) from error
    return responses


def grade(
    checkpoint: str,
    responses: list[Response],
    exam: Exam,
    settings: Settings,
    spec: Mapping[str, Any],
) -> Accuracy:
    """Return the accuracy of responses; its error takes the samples of a problem as one."""
    tokens = [response.tokens for response in responses]
    texts = exam.tokenizer.decode_batch(tokens, skip_special_tokens=False)
    answers = [extract_answer(text) for text in texts]
    truths = [truth for truth in exam.answers for _ in range(settings.samples)]
    given = [(a, t) for a, t in zip(answers, truths, strict=True) if a is not None]
    # -I: neither PYTHON* variables nor the working directory decide what this process imports
    command = (*spec["candidate"], spec["python"], "-I", "-B", str(GRADER), str(STOCK))
    verdicts, undecided = grade_all(
        given, command, processes=settings.graders, seconds=settings.grade_seconds
    )
    right = iter(verdicts)
    correct = np.array([answer is not None and next(right) for answer in answers], dtype=float)
    of_problems = correct.reshape(-1, settings.samples).mean(axis=1)
    return Accuracy(
        checkpoint=checkpoint,
        accuracy=float(of_problems.mean()),
        standard_error=float(of_problems.std(ddof=1) / np.sqrt(len(of_problems))),
        formatted=len(given) / len(answers),
        cut_off=1 - sum(response.ended for response in responses) / len(responses),
        undecided=undecided,
    )


def report(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written: a score, or the reason why there is none.

    The version names the measure, so that a ledger tells maxima from plain scores.
    """
    started = time.monotonic()
    try:
        found = score(spec, deadline=started + spec["seconds"])
    except CandidateFailed as failure:
        found = {"failed": {"reason": failure.reason, "detail": failure.detail}}
    except Exception:  # noqa: BLE001 -- the scorer's own fault is told apart from the candidate's
        found = {"failed": {"reason": "scorer_error", "detail": traceback.format_exc()}}
    version = VERSION + "-max" * (spec["settings"].get("checkpoints") == "max")
    return found | {"scorer_version": version, "seconds": time.monotonic() - started}


def main() -> None:
    """Write the report of the spec that the command line names."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    path = Path(spec["report"])
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(report(spec), indent=1), encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    main()
