"""The jobs on a policy as processes: alone, under torchrun, sharded, with adapters."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airr.errors import WorkspaceError
from airr.policy.catalogue_policy import Recipe, make_catalogue_policy
from airr.policy.checkpoints import is_whole, verify
from airr.policy.orders import Lesson, Order, StageKind, StageResult, read_order, result_in
from airr.policy.rollouts import Group, read_group
from airr.policy.settings import Lora
from airr.policy.stages import put_down_failure
from tests.policy.builders import POLICY, make_order

SMALL = Recipe(vocabulary=280, width=16, layers=1, heads=2, context=64, steps=1, batch=1)
LORA = Lora(rank=2, alpha=4, targets="all-linear")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy") / "model"
    make_catalogue_policy(["an idea", "another one"], folder, SMALL, seed=0, tell=lambda _: None)
    return folder


def do(order: Order, processes: int = 0) -> StageResult:
    """Carry an order out as its job would, under torchrun if there are several processes."""
    order.file.write_text(order.to_json())
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    command = (sys.executable, *(torchrun if processes else ()), "-m", "airr.policy.work")
    done = subprocess.run(
        [*command, str(order.file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    result = result_in(Path(order.folder))
    assert result
    return result


def lesson(order: Order) -> Lesson:
    group = read_group(Path(order.product))
    places = tuple(one.place for one in group.rollouts)
    return Lesson(
        rollouts=order.product, places=places, advantages=tuple(float(n - 2) for n in places)
    )


@pytest.fixture(scope="module")
def sampled(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Order:
    order = make_order(tmp_path_factory.mktemp("stages") / "e00-sample", model, StageKind.SAMPLE)
    do(order)
    return order


def weights_of(checkpoint: Path) -> dict[str, Any]:
    from safetensors.torch import load_file  # noqa: PLC0415

    (file,) = checkpoint.glob("*.safetensors")
    return load_file(file)


def assert_alike(one: Path, other: Path) -> None:
    import torch  # noqa: PLC0415

    left, right = weights_of(one), weights_of(other)
    assert left.keys() <= right.keys(), "a sharded model also saves what is tied to another weight"
    for name, tensor in left.items():
        torch.testing.assert_close(tensor, right[name], rtol=1e-4, atol=1e-5)


def test_an_order_comes_back_as_it_was_written(model: Path, tmp_path: Path):
    order = make_order(
        tmp_path, model, StageKind.UPDATE, policy=replace(POLICY, lora=LORA),
        lessons=(Lesson(rollouts="x", places=(0, 1), advantages=(0.5, -0.5)),),
    )  # fmt: skip
    order.file.write_text(order.to_json())
    assert read_order(order.file) == order
    order.file.write_text(order.to_json()[:-5])
    with pytest.raises(WorkspaceError, match="is damaged"):
        read_order(order.file)


def test_sampling_leaves_the_group_in_the_order_of_its_places(sampled: Order):
    group: Group = read_group(Path(sampled.product))
    assert [one.place for one in group.rollouts] == [0, 1, 2, 3, 4]
    assert len(group.prompt) == 1, "nothing was said but that a text begins"
    assert all(len(one.tokens) == len(one.logprobs) > 0 for one in group.rollouts)


@pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "adapters"])
def test_an_update_goes_on_from_a_checkpoint_optimizer_included(
    model: Path, sampled: Order, tmp_path: Path, lora: Lora | None
):
    policy = replace(POLICY, lora=lora)
    taught = {"lessons": (lesson(sampled),), "policy": policy}
    first = make_order(tmp_path / "first", model, StageKind.UPDATE, **taught)
    result = do(first)
    assert result.numbers["kl"] == pytest.approx(0, abs=1e-6)
    second = make_order(
        tmp_path / "second", model, StageKind.UPDATE, checkpoint=first.product, **taught
    )
    later = do(second)
    assert later.numbers["kl"] > 1e-5, "it went on from where the first one ended"
    verify(Path(second.product))
    moments = Path(second.product) / "optimizer.pt"
    import torch  # noqa: PLC0415

    steps = [state["step"] for state in torch.load(moments, weights_only=True)["state"].values()]
    assert {float(step) for step in steps} == {2.0}
    again = make_order(
        tmp_path / "again", model, StageKind.SAMPLE, checkpoint=second.product, policy=policy
    )
    do(again)
    assert read_group(Path(again.product)) != read_group(Path(sampled.product))


@pytest.mark.long
@pytest.mark.parametrize("shard", [False, True], ids=["copies", "shards"])
def test_several_processes_learn_what_one_does(
    model: Path, sampled: Order, tmp_path: Path, *, shard: bool
):
    taught: dict[str, Any] = {"lessons": (lesson(sampled),)}
    alone = make_order(tmp_path / "alone", model, StageKind.UPDATE, **taught)
    do(alone)
    together = make_order(
        tmp_path / "together", model, StageKind.UPDATE,
        policy=replace(POLICY, shard=shard, checkpoint_activations=True), **taught,
    )  # fmt: skip
    do(together, processes=2)
    assert_alike(Path(alone.product), Path(together.product))
    further = [
        make_order(
            tmp_path / f"{name}-on", model, StageKind.UPDATE, checkpoint=before.product,
            policy=before.policy, **taught,
        )
        for name, before in (("alone", alone), ("together", together))
    ]  # fmt: skip
    for order, processes in zip(further, (0, 2), strict=True):
        do(order, processes)
    assert_alike(*(Path(order.product) for order in further))


@pytest.mark.long
def test_several_processes_sample_one_group(model: Path, tmp_path: Path):
    order = make_order(tmp_path / "several", model, StageKind.SAMPLE)
    do(order, processes=2)
    group = read_group(Path(order.product))
    assert [one.place for one in group.rollouts] == [0, 1, 2, 3, 4]
    assert len({one.tokens for one in group.rollouts}) > 1, "each draws its own"


def test_a_job_that_was_given_up_does_nothing_when_it_begins_after_all(model: Path, tmp_path: Path):
    order = make_order(tmp_path / "given-up", model, StageKind.SAMPLE)
    order.file.write_text(order.to_json())
    put_down_failure(order, "it was lost")
    command = [sys.executable, "-m", "airr.policy.job", str(order.file), "0"]
    subprocess.run(command, timeout=120, check=True)
    assert not order.log.exists()
    assert not Path(order.product).exists()


def test_a_checkpoint_that_was_changed_is_not_learned_from(
    model: Path, sampled: Order, tmp_path: Path
):
    first = make_order(tmp_path / "first", model, StageKind.UPDATE, lessons=(lesson(sampled),))
    do(first)
    (Path(first.product) / "optimizer.pt").write_bytes(b"tampered")
    assert not is_whole(Path(first.product))
    second = make_order(
        tmp_path / "second", model, StageKind.UPDATE, checkpoint=first.product,
        lessons=(lesson(sampled),),
    )  # fmt: skip
    second.file.write_text(second.to_json())
    done = subprocess.run(
        [sys.executable, "-m", "airr.policy.work", str(second.file)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode
    assert "optimizer.pt is not what was saved" in done.stderr
