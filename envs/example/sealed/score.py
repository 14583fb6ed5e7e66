"""Score a trained candidate: its answers for images that it never saw -> accuracy.

    python score.py SPEC.json

Written for the worker, which fills the spec in and reads the report.
"""

import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

VERSION = "example-1"
"""To be raised with every change of what is measured."""
PREDICT = Path(__file__).resolve().parent / "predict.py"
REASONS = {3: "bad_checkpoint", -9: "oom", 137: "oom"}
"""Exit statuses of predict.py that tell more than that it crashed."""
ANSWER_BYTES = 8
LARGEST_FILE = 1_000_000
"""Bytes that a candidate may print, or write to any file, while it answers."""


class CandidateFailed(Exception):
    """The candidate cannot be scored. `reason` is one of airr.records.Reason."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason


def score(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the share of right answers, and its standard error over the images."""
    sealed = Path(spec["sealed_data"])
    pixels, digits = np.load(sealed / "pixels.npy"), np.load(sealed / "digits.npy")
    right = answers_of(spec, pixels) == digits
    error = right.std(ddof=1) / np.sqrt(len(right))
    return {"metric": float(right.mean()), "standard_error": float(error), "images": len(right)}


def answers_of(spec: Mapping[str, Any], pixels: np.ndarray) -> np.ndarray:
    """Ask the candidate, in its sandbox, for the digits [N] of pixels [N, 64].

    It gets the pixels by an unnamed file, and no label. Every byte that it sends is hostile.
    """
    program = (spec["python"], "-I", "-B", str(PREDICT), spec["codebase"], spec["checkpoint"])
    deadline = time.monotonic() + spec["seconds"]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as printed:
        asked.write(pixels.astype("<f8").tobytes())
        asked.seek(0)
        process = subprocess.Popen(
            (*spec["candidate"], *program),
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=printed,
            preexec_fn=bound_files,  # noqa: PLW1509 - no thread is running
        )
        try:
            answered = read(process.stdout, len(pixels) * ANSWER_BYTES, deadline)
            if len(answered) < len(pixels) * ANSWER_BYTES:
                raise failure(process, printed)
        finally:
            process.kill()
            process.wait()
    return np.frombuffer(answered, "<i8")


def bound_files() -> None:
    """Let this process write no large file, whatever it becomes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


def read(stream: IO[bytes], size: int, deadline: float) -> bytes:
    """Return `size` bytes, or fewer where the candidate hangs up.

    Raises:
        CandidateFailed: they did not come in time.
    """
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise CandidateFailed("over_budget", "the time for scoring was over before its answers")
        more = os.read(stream.fileno(), size - len(data))
        if not more:
            break
        data += more
    return data


def failure(process: subprocess.Popen[bytes], printed: IO[bytes]) -> CandidateFailed:
    """Return why a candidate hung up early, by its exit status and its last words."""
    try:
        status = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return CandidateFailed("crash", "it closed its answers and went on running")
    end = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, end - 4000))
    words = printed.read().decode(errors="replace").strip()
    told = f"it ended with status {status} before it had answered:\n{words}"
    return CandidateFailed(REASONS.get(status, "crash"), told)


def report(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a score, or the reason why there is none; the scorer's own faults are told apart."""
    try:
        found = score(spec)
    except CandidateFailed as failed:
        found = {"failed": {"reason": failed.reason, "detail": str(failed)}}
    except Exception:  # noqa: BLE001
        found = {"failed": {"reason": "scorer_error", "detail": traceback.format_exc()}}
    return {**found, "scorer_version": VERSION}


if __name__ == "__main__":
    asked_for = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(asked_for["report"]).write_text(json.dumps(report(asked_for)), encoding="utf-8")
