"""How fast `airr.status` and `airr.report` answer for a long campaign.

    python benchmarks/status.py [--ideas 10000] [--quick]

Makes a campaign folder as a search of so many ideas (10,000) leaves it, with the calls and patches
of ten samples for each idea, and the records of its batches; nothing of it has run. Prints a table
of seconds, the median of five calls each: on the clock, and of a processor, which counts where
others use the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.batch import Batch, PlannedRun
from airr.executor.plans import training_plan, with_seals
from airr.parsing import parse_config
from airr.records import BASELINE, Reason, RunKey, Stage, row_of
from airr.workspace import Workspace
from benchmarks.measured import processor_seconds
from tests.builders import NOON, failed, idea, run, scored
from tests.reporting.ledgers import call, campaign_of, patch
from tests.test_config import composed

PER_EPOCH = 100
SAMPLES = 10
RUNS_A_BATCH = 8
CALLS = 5
WORDS = [
    "the",
    "a",
    "of",
    "attention",
    "weights",
    "rate",
    "layer",
    "gradient",
    "loss",
    "scale",
    "norm",
    "head",
    "width",
    "depth",
    "token",
    "warm",
    "up",
    "decay",
    "residual",
    "stream",
    "logits",
    "cosine",
    "momentum",
    "batch",
    "sharper",
    "slower",
    "wider",
    "half",
    "twice",
    "each",
    "every",
]
VERBS = {
    "status": ("airr.status",),
    "status json=true": ("airr.status", "json=true"),
    "report format=text": ("airr.report", "campaign=long", "format=text"),
    "report": ("airr.report", "campaign=long"),
}


def main() -> None:
    """Make the campaign, ask, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ideas", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="200 ideas, each command once")
    asked = parser.parse_args()
    count, times = (200, 1) if asked.quick else (asked.ideas, CALLS)
    with tempfile.TemporaryDirectory() as place:
        workspace = made(Path(place) / "runs" / "long", count)
        size = sum(path.stat().st_size for path in workspace.folder.rglob("*") if path.is_file())
        print(f"{count} ideas, {SAMPLES} samples each: {size / 1e6:.0f} MB\n")
        print("| command | seconds | of a processor |\n|---|---|---|")
        for name, arguments in VERBS.items():
            medians = map(statistics.median, zip(*timed(place, arguments, times), strict=True))
            print(f"| `{name}` | {' | '.join(f'{median:.2f}' for median in medians)} |", flush=True)


def timed(place: str, arguments: tuple[str, ...], times: int) -> Iterator[tuple[float, float]]:
    """Yield how long a command takes on the clock, and of a processor, over and over."""
    for _ in range(times):
        begun, used = time.monotonic(), processor_seconds()
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=place, capture_output=True, check=False)
        yield time.monotonic() - begun, processor_seconds() - used
        if done.returncode:
            sys.exit(done.stderr.decode())


def made(folder: Path, count: int) -> Workspace:
    """Return a campaign of so many ideas, the last few of them still running."""
    rng = random.Random(0)

    def said(words: int) -> str:
        return " ".join(rng.choices(WORDS, k=words))

    rows: list[Any] = [row_of(scored(BASELINE, 2.0)), run(BASELINE)]
    for number in range(count):
        epoch, place = divmod(number, PER_EPOCH)
        text = f"[Experiment] {said(12)} {number}. {said(80)}\n[Code Changes] {said(40)}"
        one = idea(place, epoch, text=text, call_id=f"e{epoch:02d}/fresh-0")
        rows.append(one)
        for sample in range(SAMPLES):
            rows.append(call(f"{one.id}/s{sample}/r0"))
            diff = f"--- a/model.py\n+++ b/model.py\n@@ -1 +1 @@\n-{said(20)}\n+{said(40)}\n"
            rows.append(patch(one.id, sample=sample, applied=sample == 0, diff=diff))
        if number >= count - RUNS_A_BATCH:
            continue  # still running
        log = "".join(f"step {n}/200  loss {rng.random():.4f}\n" for n in range(20))
        ended = NOON + timedelta(minutes=number)
        outcome = scored(one.id, rng.gauss(2.0, 0.1), log_tail=log, ended_at=ended)
        if number % 5 == 4:
            outcome = failed(one.id, Reason.CRASH, stage=Stage.TRAIN, detail=said(60), log_tail=log)
        rows += [row_of(outcome), run(one.id, gpu_seconds=60.0, ended_at=ended)]
    config = composed(f"search.epochs={count // PER_EPOCH}", f"search.ideas_per_epoch={PER_EPOCH}")
    workspace = campaign_of(folder, config, rows)
    put_batches(workspace, config, count)
    return workspace


def put_batches(workspace: Workspace, config: dict[str, Any], count: int) -> None:
    """Put the records of the arrays in which the ideas went out."""
    plan = with_seals(training_plan(parse_config(config)))
    for start in range(0, count, RUNS_A_BATCH):
        runs = tuple(
            PlannedRun(
                key=RunKey(idea_id=f"e{number // PER_EPOCH:02d}-i{number % PER_EPOCH:03d}"),
                seed=0,
                codebase="codebases/x.zip",
                codebase_sha256="0" * 64,
            )
            for number in range(start, min(count, start + RUNS_A_BATCH))
        )
        batch = Batch(
            name=f"airr-long-abc123-b{start // RUNS_A_BATCH:04d}",
            inbox="inbox", plan=plan, pack=1, runs=runs, exclude_nodes=(), created_at=0.0,
        )  # fmt: skip
        folder = workspace.batch(batch.name)
        folder.mkdir()
        (folder / "batch.json").write_text(json.dumps(json.loads(batch.to_json())))


if __name__ == "__main__":
    main()
