"""sbatch/serve_vllm.sbatch on a real Slurm; only vLLM and its GPUs are missing here."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.llm.cases import request, serving_at
from tests.slurm.cluster import VirtualCluster

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "sbatch" / "serve_vllm.sbatch"


@pytest.fixture
def vllm(tmp_path: Path) -> Path:
    """A program that takes the arguments of vLLM's."""
    program = tmp_path / "vllm"
    program.write_text(
        f'#!/bin/sh\nexport PYTHONPATH={ROOT}\nexec {sys.executable} -m tests.slurm.served "$@"\n'
    )
    program.chmod(0o755)
    return program


def submit(cluster: VirtualCluster, place: Path, *words: str, vllm: Path) -> str:
    said = cluster.run(
        "env", "-C", str(place), f"AIRR_VLLM={vllm}", "sbatch", "--parsable", "--mem=1G",
        "--cpus-per-task=1", "--gpus-per-node=2", *words,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)


def test_slurm_takes_the_script_as_it_stands(cluster: VirtualCluster, tmp_path: Path):
    said = cluster.run(
        "env", "-C", str(tmp_path), "sbatch", "--test-only", "--mem=1G", str(SCRIPT), "some/model"
    )
    assert said.returncode == 0, said.stderr
    assert "to start at" in said.stderr


def test_a_model_is_served_its_address_is_written_once_it_answers_and_removed_at_the_end(
    cluster: VirtualCluster, tmp_path: Path, vllm: Path
):
    job = submit(cluster, tmp_path, str(SCRIPT), "some/local-model", "--max-model-len=9", vllm=vllm)
    address, log = tmp_path / f"airr-serve-{job}.url", tmp_path / f"airr-serve-{job}.log"
    wait_until(address.exists)
    url = address.read_text().strip()
    node, port = url.removeprefix("http://").removesuffix("/v1").split(":")
    assert node.startswith("node"), "the name by which other nodes find it"
    assert f"llm.base_url={url} llm.ideator.model=local-model" in log.read_text()
    served = log.read_text().splitlines()[0]
    assert "--tensor-parallel-size 2" in served
    assert "--max-model-len=9" in served

    async def ask() -> str:
        async with serving_at("openai", f"http://127.0.0.1:{port}") as provider:
            return (await provider.complete(request("hello", model="local-model"))).text

    assert asyncio.run(ask()) == "an answer to hello"
    cluster.run("scancel", "--batch", "--signal=TERM", job)
    wait_until(lambda: not address.exists())


def test_a_model_that_does_not_load_ends_the_job_and_leaves_no_address(
    cluster: VirtualCluster, tmp_path: Path, vllm: Path
):
    job = submit(cluster, tmp_path, str(SCRIPT), "broken", vllm=vllm)
    log = tmp_path / f"airr-serve-{job}.log"
    wait_until(lambda: log.exists() and "airr-serve: vllm ended with 1" in log.read_text())
    assert "CUDA out of memory" in log.read_text()
    assert not list(tmp_path.glob("*.url"))


def test_a_missing_vllm_is_explained(cluster: VirtualCluster, tmp_path: Path):
    job = submit(cluster, tmp_path, str(SCRIPT), "some/model", vllm=tmp_path / "absent")
    log = tmp_path / f"airr-serve-{job}.log"
    wait_until(lambda: log.exists() and "vllm is not installed here" in log.read_text())
