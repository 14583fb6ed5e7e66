"""Training as a worker runs it: steps, seeds, processes, the clock, the checkpoints."""

import re
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.envs import grpo

LINE = re.compile(
    r"step (\d+)/(\d+)  reward (\d\.\d{3})  correct \d\.\d{3}  formatted \d\.\d{3}  "
    r"tokens \d+\.\d  loss -?\d+\.\d{4}  lr \d\.\de-\d\d  seconds \d+\.\d \+ \d+\.\d"
)


@pytest.fixture(scope="module")
def two_steps(grpo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The output folder and the words of two steps in one process."""
    out = tmp_path_factory.mktemp("two")
    return out, grpo.train(out, grpo_data / "train_data", AIRR_STEPS="2")


def test_training_prints_its_course_and_saves_the_policy_alone(
    two_steps: tuple[Path, str], grpo_data: Path
):
    out, printed = two_steps
    lines = [LINE.fullmatch(line) for line in printed.splitlines()]
    assert [line and (line[1], line[2]) for line in lines] == [("1", "2"), ("2", "2")]
    assert [0.2 < float(line[3]) < 0.8 for line in lines if line] == [True, True]
    names = sorted(path.name for path in out.iterdir())
    assert names == ["checkpoint_05.safetensors", "model.safetensors"]
    before = load_file(grpo_data / "train_data" / "model" / "model.safetensors")
    after = load_file(out / "model.safetensors")
    assert {n: w.shape for n, w in before.items()} == {n: w.shape for n, w in after.items()}
    moved = [(before[name] - after[name]).abs().max().item() for name in before]
    assert 0 < max(moved) < 0.01


def test_a_seed_decides_every_bit_of_the_weights(
    two_steps: tuple[Path, str], grpo_data: Path, tmp_path: Path
):
    grpo.train(tmp_path / "again", grpo_data / "train_data", AIRR_STEPS="2")
    one, two = (out / "model.safetensors" for out in (two_steps[0], tmp_path / "again"))
    assert one.read_bytes() == two.read_bytes()


def assert_close(out: Path, expected: Path, start: Path) -> None:
    """See that the weights went the same way, measured by how far they went."""
    found, wanted, begun = (load_file(p / "model.safetensors") for p in (out, expected, start))
    off = torch.cat([(found[n] - wanted[n]).flatten() for n in wanted]).norm()
    way = torch.cat([(wanted[n] - begun[n]).flatten() for n in wanted]).norm()
    assert off / way < 0.05


def test_two_processes_train_the_policy_that_one_would(
    two_steps: tuple[Path, str], grpo_data: Path, tmp_path: Path
):
    """Sampled tokens are the same; what is added up in another order differs by rounding."""
    data = grpo_data / "train_data"
    printed = grpo.train(tmp_path / "out", data, processes=2, AIRR_STEPS="2")
    assert printed.splitlines()[-2].split("  ")[:5] == two_steps[1].splitlines()[0].split("  ")[:5]
    assert_close(tmp_path / "out", two_steps[0], data / "model")


def test_micro_batches_train_the_policy_that_whole_updates_would(
    two_steps: tuple[Path, str], grpo_data: Path, tmp_path: Path
):
    config = grpo.edited("config.py", "micro_batch=128,", "micro_batch=32,")
    config["config.py"] = config["config.py"].replace("accumulation=2,", "accumulation=8,")
    codebase = grpo.candidate(tmp_path / "codebase", config)
    data = grpo_data / "train_data"
    grpo.train(tmp_path / "out", data, codebase=codebase, AIRR_STEPS="2")
    assert_close(tmp_path / "out", two_steps[0], data / "model")


@pytest.mark.long
@pytest.mark.parametrize("loss", ["reinforce_with_baseline", "no_baseline"])
def test_the_other_losses_train_too(loss: str, grpo_data: Path, tmp_path: Path):
    config = grpo.edited("config.py", 'loss: str = "grpo_clip"', f'loss: str = "{loss}"')
    codebase = grpo.candidate(tmp_path / "codebase", config)
    printed = grpo.train(
        tmp_path / "out", grpo_data / "preflight_train", codebase=codebase, AIRR_STEPS="1"
    )
    assert LINE.fullmatch(printed.strip())


@pytest.mark.long  # by the clock: a busy machine is late
def test_training_stops_and_saves_before_the_deadline(grpo_data: Path, tmp_path: Path):
    config = grpo.edited("config.py", "        steps=40,", "        steps=100_000,")
    codebase = grpo.candidate(tmp_path / "codebase", config)
    deadline = time.time() + 12
    printed = grpo.train(
        tmp_path / "out",
        grpo_data / "preflight_train",
        codebase=codebase,
        AIRR_DEADLINE=str(deadline),
    )
    assert time.time() < deadline
    assert LINE.fullmatch(printed.splitlines()[-1])
    assert load_file(tmp_path / "out" / "model.safetensors")
