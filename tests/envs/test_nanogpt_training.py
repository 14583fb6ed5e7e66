"""Training as a worker runs it: steps, seeds, processes, the clock, the checkpoint."""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from airr.worker.report import read_report
from tests.envs import nanogpt

LINE = re.compile(r"step (\d+)/(\d+)  loss (\d+\.\d{4})  lr \d\.\de-\d\d  tokens/s \d+")


def load(out: Path) -> dict[str, Any]:
    return torch.load(out / "checkpoint.pt", weights_only=True)


def last_loss(printed: str) -> float:
    line = LINE.fullmatch(printed.strip().splitlines()[-1])
    assert line, printed
    return float(line[3])


def test_training_prints_its_course_and_saves_plain_weights(data: Path, tmp_path: Path):
    printed = nanogpt.train(tmp_path / "out", data / "train_data", AIRR_STEPS="50")
    lines = [LINE.fullmatch(line) for line in printed.splitlines()]
    assert [line and (line[1], line[2]) for line in lines] == [
        ("20", "50"),
        ("40", "50"),
        ("50", "50"),
    ]
    assert last_loss(printed) < 3.5
    checkpoint = load(tmp_path / "out")
    assert checkpoint["config"]["width"] == 64
    assert "blocks.0.attention.qkv.weight" in checkpoint["weights"]
    saved = {path.name for path in (tmp_path / "out").iterdir()}
    assert saved == {"checkpoint.pt", "report.json"}


def test_training_reports_its_speed_and_size(data: Path, tmp_path: Path):
    printed = nanogpt.train(tmp_path / "out", data / "train_data", AIRR_STEPS="50")
    told = read_report(tmp_path / "out" / "report.json")
    assert (told["steps"], told["tokens"]) == (50, 50 * 1024)
    assert told["parameters"] == 118_784
    assert told["train_loss"] == pytest.approx(last_loss(printed), abs=1e-4)
    speeds = [float(speed) for speed in re.findall(r"tokens/s (\d+)", printed)]
    assert min(speeds) / 2 < told["tokens_per_second"] < max(speeds) * 2
    assert 0.05 < told["peak_memory_gb"] < 5
    assert "mfu" not in told, "nobody states the peak of a CPU"


@pytest.mark.long
def test_where_the_clock_counts_the_steps_the_rate_has_decayed_at_the_deadline(
    data: Path, tmp_path: Path
):
    files = nanogpt.edited("config.py", "        steps=200,", "        steps_from_clock=True,")
    codebase = nanogpt.candidate(tmp_path / "codebase", files)
    deadline = {"AIRR_DEADLINE": str(time.time() + 9)}
    printed = nanogpt.train(tmp_path / "out", data / "train_data", codebase=codebase, **deadline)
    rates = [float(rate) for rate in re.findall(r"lr (\S+)", printed)]
    assert max(rates) > 1.3e-3
    assert rates[-1] < 0.3 * 1.5e-3, "on a busy machine the last steps come as a surprise"


def test_a_seed_decides_every_bit_of_the_weights(data: Path, tmp_path: Path):
    outs, shards = (tmp_path / "one", tmp_path / "two"), data / "train_data"
    for process in [nanogpt.start_training(out, shards, AIRR_STEPS="30") for out in outs]:
        nanogpt.finish(process)
    one, two = ((out / "checkpoint.pt").read_bytes() for out in outs)
    assert one == two


@pytest.fixture(scope="module")
def five_steps(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights after five steps of one process that takes each step whole."""
    out = tmp_path_factory.mktemp("five")
    nanogpt.train(out, data / "train_data", AIRR_STEPS="5")
    return load(out)["weights"]


def assert_close(weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert weights.keys() == expected.keys()
    for name in weights:
        torch.testing.assert_close(weights[name], expected[name], rtol=1e-3, atol=1e-4)


def test_two_processes_train_the_model_that_one_would(
    data: Path, tmp_path: Path, five_steps: dict[str, torch.Tensor]
):
    nanogpt.train(tmp_path / "out", data / "train_data", processes=2, AIRR_STEPS="5")
    assert_close(load(tmp_path / "out")["weights"], five_steps)


def test_micro_batches_train_the_model_that_whole_steps_would(
    data: Path, tmp_path: Path, five_steps: dict[str, torch.Tensor]
):
    files = nanogpt.edited("config.py", "micro_batch: int = 32", "micro_batch: int = 5")
    codebase = nanogpt.candidate(tmp_path / "codebase", files)
    nanogpt.train(tmp_path / "out", data / "train_data", codebase=codebase, AIRR_STEPS="5")
    assert_close(load(tmp_path / "out")["weights"], five_steps)


def test_training_stops_and_saves_before_the_deadline(data: Path, tmp_path: Path):
    endless = shutil.copytree(nanogpt.CODEBASE, tmp_path / "codebase")
    settings = (endless / "config.py").read_text()
    assert "steps=200" in settings
    (endless / "config.py").write_text(settings.replace("steps=200", "steps=100_000"))
    deadline = time.time() + 7
    printed = nanogpt.train(
        tmp_path / "out", data / "train_data", codebase=endless, AIRR_DEADLINE=str(deadline)
    )
    assert time.time() < deadline
    line = LINE.fullmatch(printed.splitlines()[-1])
    assert line
    assert 0 < int(line[1]) < int(line[2])
    assert load(tmp_path / "out")["weights"]


def test_training_saves_as_often_as_it_is_asked_to(data: Path, tmp_path: Path):
    checkpoint = tmp_path / "out" / "checkpoint.pt"
    process = nanogpt.start_training(
        tmp_path / "out", data / "train_data", AIRR_STEPS="200", AIRR_SAVE_EVERY="0.2"
    )
    seen: set[int] = set()
    while process.poll() is None:
        if checkpoint.exists():
            seen.add(checkpoint.stat().st_mtime_ns)
        time.sleep(0.02)
    nanogpt.finish(process)
    assert len(seen) > 3


def test_all_processes_stop_when_one_of_them_has_no_time_left(data: Path, tmp_path: Path):
    alike = "config.save_seconds\n"
    files = nanogpt.edited("train.py", alike, "config.save_seconds + 1e6 * (1 - world.rank)\n")
    codebase = nanogpt.candidate(tmp_path / "codebase", files)
    now = {"AIRR_DEADLINE": str(time.time())}
    printed = nanogpt.train(
        tmp_path / "out", data / "train_data", codebase=codebase, processes=2, **now
    )
    assert "step 1/200" in printed
    assert load(tmp_path / "out")["weights"]
