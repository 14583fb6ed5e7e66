"""Score a trained candidate: checkpoint -> loss on the validation tokens.

    python score.py SPEC.json

Written for the worker, which fills the spec in and reads the report. Ends with exit code 0
whenever a report was written, whatever stands in it.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from candidate import Candidate
from protocols import measure
from settings import Settings
from validation import read_validation
from verdict import CandidateFailed, Score

VERSION = "nanogpt-4"
PREDICTOR = Path(__file__).resolve().parent / "predictor.py"


def score(spec: Mapping[str, Any], *, deadline: float) -> Score:
    """Score the candidate of a spec; `deadline` is a reading of time.monotonic()."""
    settings = Settings(**spec["settings"])
    validation = read_validation(Path(spec["sealed_data"]), settings.tokens)
    checkpoint = checked_checkpoint(Path(spec["checkpoint"]))
    # -I: neither PYTHON* variables nor the working directory decide what this process imports
    predictor = (spec["python"], "-I", "-B", str(PREDICTOR))
    argv = (*spec["candidate"], *predictor, spec["codebase"], str(checkpoint))
    length = validation.sequences.shape[1] - 1
    rows = max(settings.batch, settings.compared, settings.whole * length)

    def start(number: int) -> Candidate:
        device = f"cuda:{number}" if spec["gpus"] else "cpu"
        return Candidate(
            (*argv, device),
            cwd=Path(spec["codebase"]),
            largest_answer=rows * validation.vocab_size,
            deadline=deadline,
            start_seconds=settings.start_seconds,
        )

    predictors = settings.predictors or max(1, spec["gpus"])
    return measure(start, validation, settings, predictors, random.SystemRandom())


def checked_checkpoint(path: Path) -> Path:
    """Return the path of a checkpoint that is a plain file, not a link or a pipe."""
    if path.is_symlink() or not path.is_file():
        raise CandidateFailed("no_checkpoint", f"training left no plain file {path.name}")
    return path


def report(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written: a score, or the reason why there is none."""
    started = time.monotonic()
    try:
        found = asdict(score(spec, deadline=started + spec["seconds"]))
    except CandidateFailed as failure:
        found = {"failed": {"reason": failure.reason, "detail": failure.detail}}
    except Exception:  # noqa: BLE001 -- the scorer's own fault is told apart from the candidate's
        found = {"failed": {"reason": "scorer_error", "detail": traceback.format_exc()}}
    return found | {"scorer_version": VERSION, "seconds": time.monotonic() - started}


def main() -> None:
    """Write the report of the spec that the command line names."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    path = Path(spec["report"])
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(report(spec), indent=1), encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    main()
