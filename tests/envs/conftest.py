"""Prepared data and one trained model, made once for the tests of the environments."""

from pathlib import Path

import pytest
import torch

from tests.envs import grpo, nanogpt

torch.set_num_threads(1)  # beside other tests, threads of one small model wait for each other


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    done = nanogpt.prepare(root, "stdlib")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the baseline after 40 steps."""
    out = tmp_path_factory.mktemp("trained")
    nanogpt.train(out, data / "train_data", AIRR_STEPS="40")
    return out / "checkpoint.pt"


@pytest.fixture(scope="session")
def grpo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared data of grpo_tiny: problems, and a model that has learned to add, half a way."""
    root = tmp_path_factory.mktemp("grpo")
    done = grpo.prepare(root, source="sums")
    assert done.returncode == 0, done.stderr
    return root
