"""Settings of reinforcement learning for tests, and a policy of hardly any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from airr.policy.orders import Order, StageKind
from airr.policy.settings import Late, Objective, Policy, Prompt, RewardKind, Rl

RL = Rl(
    epochs=2,
    group_size=4,
    objective=Objective.MEAN,
    k=2,
    learning_rate=1e-2,
    weight_decay=0.0,
    clip_norm=1.0,
    steps=1,
    clip_low=0.2,
    clip_high=0.28,
    kl=0.0,
    reward=RewardKind.METRIC,
    floor=5.0,
    novelty=0.0,
    length_reward=0.0,
    length_cap=0.3,
    diversity=0.0,
    dynamic_prompt=0,
    patience=None,
    late=Late.WEIGHT,
    keep=2,
)

POLICY = Policy(
    name="test",
    model="catalogue",
    prompt=Prompt.NONE,
    dtype="float32",
    lora=None,
    temperature=1.0,
    max_tokens=24,
    sample_batch=8,
    update_tokens=64,
    shard=False,
    checkpoint_activations=False,
    nodes=1,
    gpus=0,
    cpus=1,
    memory_gb=4.0,
    sample_seconds=60.0,
    update_seconds=60.0,
)


def make_order(folder: Path, model: Path, kind: StageKind, **changes: Any) -> Order:
    folder.mkdir(parents=True, exist_ok=True)
    product = "rollouts.parquet" if kind is StageKind.SAMPLE else "e00"
    order = Order(
        name=f"airr-test-{folder.name}",
        kind=kind,
        folder=str(folder),
        attempt=0,
        model=str(model),
        checkpoint=None,
        product=str(folder / product),
        seed=0,
        count=5,
        messages=(),
        lessons=(),
        policy=POLICY,
        rl=RL,
    )
    return replace(order, **changes)
