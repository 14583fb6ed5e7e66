"""What it costs to get the answers of nanogpt's models from the predictor to their losses.

    python benchmarks/answers.py [--rows 640] [--columns 50304] [--answers 24] [--quick]

The sealed scorer's own processes, and a model that always answers the same: what is measured is
the way of its logits, through shared memory into the scorer, and their losses. `clock` is for one
answer, `processor` the scorer's part of it. `env=nanogpt` takes 16,384 such answers, 2,048 of each
of its 8 predictors; the last columns say what that comes to: the scorer's processor time spread
over the 64 cores of a node, and the bytes that leave each GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "envs" / "nanogpt" / "sealed"))

import numpy as np
import torch
from candidate import Candidate
from rich.console import Console
from rich.table import Table

from benchmarks.measured import Seconds, in_seconds, machine, timed
from losses import streamed_losses

CODEBASE = Path(__file__).resolve().parent / "constant"
PREDICTOR = Path(__file__).resolve().parents[1] / "envs" / "nanogpt" / "sealed" / "predictor.py"
DTYPES = ("bfloat16", "float32")
VOCABULARY, TOKENS, GPUS, CORES = 50_257, 10_485_760, 8, 64
"""Those of conf/env/nanogpt.yaml."""
ROUNDS = 3


def main() -> None:
    arguments = parsed()
    shape = arguments.rows, arguments.columns
    table = Table(title=f"Answers of {shape[0]} rows and {shape[1]:,} columns", caption=machine())
    table.add_column("numbers")
    for name in ("clock", "processor", "GB/s", f"on {CORES} cores, in all", "from each GPU"):
        table.add_column(name, justify="right")
    for dtype in DTYPES:
        one = seconds_of_an_answer(dtype, shape, arguments.answers)
        size = arguments.rows * arguments.columns * getattr(torch, dtype).itemsize
        answers = TOKENS / arguments.rows
        table.add_row(
            dtype,
            in_seconds(one.clock),
            in_seconds(one.processor),
            f"{size / one.clock / 1e9:.2f}",
            in_seconds(one.processor * answers / CORES),
            f"{size * answers / GPUS / 1e9:.0f} GB",
        )
    Console().print(table)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=640, help="sequences side by side")
    parser.add_argument("--columns", type=int, default=50_304, help="the vocabulary, padded")
    parser.add_argument("--answers", type=int, default=24, help="answers in each of three rounds")
    parser.add_argument("--quick", action="store_true", help="few answers")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.answers = 4
    return arguments


def seconds_of_an_answer(dtype: str, shape: tuple[int, int], answers: int) -> Seconds:
    """Return what one answer takes, the median of some rounds, after one that does not count."""
    rows, columns = shape
    sequences = np.zeros((rows, answers + 1), np.uint16)
    with TemporaryDirectory(prefix="airr-bench-") as folder:
        checkpoint = Path(folder) / "checkpoint.pt"
        config = {"rows": rows, "columns": columns, "dtype": dtype}
        torch.save({"config": config, "weights": {}}, checkpoint)
        argv = (sys.executable, "-I", "-B", PREDICTOR, CODEBASE, checkpoint, "cpu")
        with Candidate(
            tuple(map(str, argv)),
            cwd=CODEBASE,
            largest_answer=rows * columns,
            deadline=time.monotonic() + 600,
            start_seconds=60,
        ) as candidate:
            vocabulary = min(columns, VOCABULARY)
            streamed_losses(candidate, sequences[:, :2], vocabulary)
            round_of = lambda: streamed_losses(candidate, sequences, vocabulary)  # noqa: E731
            found = timed(round_of, ROUNDS)
    return Seconds(found.clock / answers, found.processor / answers)


if __name__ == "__main__":
    main()
