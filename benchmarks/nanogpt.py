"""What nanoGPT's training and scoring take here: speed, MFU, seconds per scored token, agreement.

    python benchmarks/nanogpt.py [--steps 60] [--million 1]

On GPUs: the 124M model under torchrun on all of them, on text tokenised with a BPE trained on the
spot. Without: the same script at toy scale, bytes on one CPU core, which says so; its tokenisation
is measured, and not trained on. Training and predictor run in the sandbox, with the GPU inside.

- `matrix rate`: of one device, the best of some products of square matrices: bf16 on a GPU, float32
  on one CPU core. MFU is against it, with PaLM's count of operations.
- `scoring`: each protocol of the sealed scorer on one and the same checkpoint, start included, and
  how far apart their losses are.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from airr.batch import Plan
from airr.composition import compositions
from airr.config import Config
from airr.executor.plans import training_plan
from airr.parsing import parse_config
from airr.resources import resource
from airr.worker.report import REPORT, read_report
from airr.worker.sandbox import bubblewrap_works
from airr.worker.score import Measurement, score
from airr.worker.scratch import Scratch
from airr.worker.stop import Stop
from airr.worker.train import train

PROTOCOLS = ("stream", "audit")
MATRIX = {"cuda": (8192, torch.bfloat16), "cpu": (1024, torch.float32)}
PRODUCTS, ROUNDS = 20, 5


@dataclass(frozen=True)
class Scale:
    """Which scale of the environment is run, and on what."""

    env: str
    scale: str
    gpus: int
    device: str

    @property
    def is_toy(self) -> bool:
        """Tell whether this machine has no GPU."""
        return self.gpus == 0


def main() -> None:
    arguments = parsed()
    gpus = torch.cuda.device_count()
    name = torch.cuda.get_device_name() if gpus else cpu_name()
    toy = Scale("nanogpt_tiny", "tiny", 0, "cpu")
    scale = Scale("nanogpt", "full", gpus, "cuda") if gpus else toy
    table = Table(title=f"{scale.env} on {gpus or 1} x {name}, torch {torch.__version__}")
    table.add_column("what")
    table.add_column("found", justify="right")
    if scale.is_toy:
        table.caption = "No GPU here: toy scale, on one CPU core. Nothing of it tells of a GPU."
    with TemporaryDirectory(prefix="airr-bench-") as folder:
        for what, found in measurements(scale, Path(folder), arguments):
            table.add_row(what, found)
            print(f"{what}: {found}", file=sys.stderr, flush=True)
    Console().print(table)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=60, help="training steps")
    parser.add_argument("--million", type=float, default=1.0, help="validation tokens, in millions")
    parser.add_argument("--text-mb", type=int, default=0, help="text to tokenise; 0: all there is")
    return parser.parse_args()


def measurements(scale: Scale, folder: Path, arguments: argparse.Namespace) -> Any:
    """Yield what was measured, as (what, found)."""
    rate = matrix_rate(scale.device)
    yield "matrix rate", f"{rate / 1e12:.3g} TFLOP/s"
    tokenised, seconds, tokens = tokenise(folder, scale, arguments.text_mb)
    yield "tokenisation, BPE training included", f"{tokens / seconds:,.0f} tokens/s"
    data = tokenised if not scale.is_toy else prepared_toy(folder)
    plan = plan_of(scale, data, arguments)
    yield "sandbox", plan.sandbox
    scratch = Scratch(folder / "scratch")
    scratch.make()
    copy_codebase(scratch)
    trained = train(plan, 0, scratch, Stop())
    if trained.trouble:
        sys.exit(f"training failed: {trained.trouble.detail}")
    told = read_report(scratch.output / REPORT)
    flops = flops_per_token(scale.scale)
    devices = max(1, scale.gpus)
    yield "training", f"{told['tokens_per_second']:,.0f} tokens/s, {told['steps']:.0f} steps"
    mfu = told["tokens_per_second"] * flops / (devices * rate)
    yield "MFU against the matrix rate", f"{100 * mfu:.1f} %"
    if "mfu" in told:
        yield "MFU against the maker's peak", f"{100 * told['mfu']:.1f} %"
    yield "peak memory of one process", f"{told['peak_memory_gb']:.2f} GB"
    losses: dict[str, float] = {}
    for protocol in PROTOCOLS:
        settings = {**plan.score_settings, "protocol": protocol}
        scoring = score(replace(plan, score_settings=settings), 0, scratch, Stop())
        if not isinstance(scoring.finding, Measurement):
            yield f"scoring, {protocol}", scoring.finding.detail.strip().splitlines()[-1][:70]
            continue
        losses[protocol] = scoring.finding.metric
        counted = json.loads((scratch.private / "report.json").read_text()).get("tokens", 0)
        yield (
            f"scoring, {protocol}",
            f"{scoring.seconds / counted * 1e6:.1f} s per million tokens "
            f"({counted / 1e6:.2f} million, loss {scoring.finding.metric:.5f})",
        )
    if len(losses) == len(PROTOCOLS):
        yield "apart", f"{abs(losses['stream'] - losses['audit']):.2g} nats"


def matrix_rate(device: str) -> float:
    """Return the operations a second of the fastest round of matrix products."""
    size, dtype = MATRIX[device]
    if device == "cpu":
        torch.set_num_threads(1)
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(ROUNDS):
        wait(device)
        began = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.matmul(one, other)
        wait(device)
        best = min(best, time.perf_counter() - began)
    return PRODUCTS * 2 * size**3 / best


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def tokenise(folder: Path, scale: Scale, text_mb: int) -> tuple[Path, float, int]:
    """Tokenise the sources of every installed library: where, how long it took, how many tokens."""
    text = folder / "text"
    text.mkdir()
    left = text_mb * 1_000_000 or (2_000_000 if scale.is_toy else 10**12)
    for number, path in enumerate(library_sources()):
        content = path.read_bytes()[:left]
        (text / f"{number:06d}.txt").write_text(content.decode("utf-8", "ignore"))
        left -= len(content)
        if left <= 0:
            break
    folders = {name: str(folder / name) for name in ("train_data", "sealed_data")}
    folders |= {name: str(folder / name) for name in ("preflight_train", "preflight_sealed")}
    settings = {
        "source": str(text),
        "tokenizer": "trained",
        "train_mb": 50,
        "column": "text",
        "shard_tokens": 100_000 if scale.is_toy else 3_000_000,
        "shards": None,
    }
    spec = folder / "spec.json"
    spec.write_text(json.dumps({**folders, "settings": settings}))
    began = time.perf_counter()
    prepare = resource("envs") / "nanogpt" / "prepare.py"
    done = subprocess.run([sys.executable, "-B", prepare, spec], check=False)
    if done.returncode:
        sys.exit("the text could not be tokenised: see above")
    manifests = [folder / name / "manifest.json" for name in ("train_data", "sealed_data")]
    shards = [json.loads(path.read_text())["shards"].values() for path in manifests]
    tokens = sum(shard["tokens"] for shards_of_one in shards for shard in shards_of_one)
    return folder, time.perf_counter() - began, tokens


def library_sources() -> list[Path]:
    """Return the .py files of the standard library and of what is installed beside it."""
    roots = {Path(json.__file__).parents[1], Path(torch.__file__).parents[1]}
    found = [path for root in sorted(roots) for path in sorted(root.rglob("*.py"))]
    return [path for path in found if path.is_file() and path.stat().st_size > 1000]


def prepared_toy(folder: Path) -> Path:
    """Make the tiny environment's own data of bytes."""
    root = folder / "data"
    argv = [sys.executable, "-m", "airr.prepare", f"data={root}"]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return root


def plan_of(scale: Scale, data: Path, arguments: argparse.Namespace) -> Plan:
    """Return the environment's own plan with this machine's GPUs, data and lengths."""
    raw = compositions("evolve", [f"env={scale.env}", "cluster=local", "llm=offline"])[0]
    for name in ("fork", "once"):
        raw.pop(name)
    config: Config = parse_config({**raw, "data": str(data)})
    plan = training_plan(config)
    environment = {**plan.train.environment, "AIRR_STEPS": str(arguments.steps)}
    folders = {} if scale.is_toy else {n: str(data / n) for n in ("train_data", "sealed_data")}
    return replace(
        plan,
        **folders,
        train=replace(plan.train, environment=environment),
        score_settings={**plan.score_settings, "tokens": int(arguments.million * 1e6)},
        score_seconds=3000.0,
        gpus=scale.gpus,
        sandbox="bubblewrap" if bubblewrap_works() else "none",
    )


def copy_codebase(scratch: Scratch) -> None:
    """Put the baseline where it is trained, and where it is scored."""
    for path in (resource("envs") / "nanogpt" / "codebase").glob("*.py"):
        for folder in (scratch.codebase, scratch.scored):
            (folder / path.name).write_bytes(path.read_bytes())


def flops_per_token(scale: str) -> float:
    """Return the codebase's own count of operations."""
    sys.path.insert(0, str(resource("envs") / "nanogpt" / "codebase"))
    from config import SCALES  # pyright: ignore # noqa: PLC0415
    from model import GPT  # pyright: ignore # noqa: PLC0415
    from report import flops_per_token as count  # pyright: ignore # noqa: PLC0415

    with torch.device("meta"):
        return count(GPT(SCALES[scale]), SCALES[scale])


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"one core of {len(names)}, {names[0] if names else platform.machine()}"


if __name__ == "__main__":
    main()
