"""The settings of `python -m airr.rl`: a campaign whose ideas come from a policy under training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airr.config import Base, Config
from airr.errors import ConfigError
from airr.parsing import parse_bench, with_parsed_parts
from airr.ranges import check_campaign


class Prompt(StrEnum):
    """What the policy is asked with."""

    FULL = "full"
    """The task and the whole codebase, as ideators are: prompts/ideate/rl.j2."""
    NONE = "none"
    """Nothing: it writes ideas of its own accord, as one made of a catalogue does."""


class Objective(StrEnum):
    """What an update favours; see airr/policy/objectives.py."""

    MEAN = "mean"
    MAX_AT_K = "max_at_k"
    ENTROPIC = "entropic"


class RewardKind(StrEnum):
    """What execution is worth."""

    METRIC = "metric"
    """The environment's own reward, as in the paper: 1/loss or accuracy; 0 for a failure."""
    GAIN = "gain"
    """The gain over the baseline in standard errors of the difference, at least -floor."""


class Late(StrEnum):
    """What becomes of a rollout whose outcome came after its epoch was closed."""

    WEIGHT = "weight"
    """It joins the next update, weighted by how likely the policy of then is to write it."""
    DROP = "drop"
    """It stands in the ledger, and teaches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adapters (Hu et al., arXiv 2106.09685) beside frozen weights."""

    rank: int
    alpha: int
    targets: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The model that proposes, and what its jobs occupy.

    `model` is a name on the hub, a folder, or `catalogue`: a small one that `airr.prepare` makes
    of the offline catalogue's ideas.
    """

    name: str
    model: str
    prompt: Prompt
    dtype: str
    lora: Lora | None
    temperature: float
    max_tokens: int
    sample_batch: int
    update_tokens: int
    shard: bool
    checkpoint_activations: bool
    nodes: int
    gpus: int
    cpus: int
    memory_gb: float
    sample_seconds: float
    update_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rl:
    """How the policy learns."""

    epochs: int
    group_size: int
    objective: Objective
    k: int
    learning_rate: float
    weight_decay: float
    clip_norm: float
    steps: int
    clip_low: float
    clip_high: float
    kl: float
    reward: RewardKind
    floor: float
    novelty: float
    length_reward: float
    length_cap: float
    diversity: float
    dynamic_prompt: int
    patience: float | None
    late: Late
    keep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RlConfig(Config):
    """A whole campaign of reinforcement learning."""

    policy: Policy
    rl: Rl


def parse_rl_config(raw: Mapping[str, Any]) -> RlConfig:
    """Return the typed form of the composed configuration, its values checked.

    Raises:
        ConfigError: a key is unknown, missing, ill-typed or out of range; the message names it.
    """
    config = parse_bench(RlConfig, with_parsed_parts(raw))
    _check(config)
    check_campaign(config)
    return config


FOLLOWING = {"epochs": "epochs", "ideas_per_epoch": "group_size"}
"""Settings of searches that are others of `rl` here, and those."""
UNUSED: Mapping[str, Any] = {"repeats": 0, "overlap": 0.0, "caution": 0.0, "base": Base.BASELINE}
"""Settings of searches that mean nothing here, by the one value that they may have."""


def _check(config: RlConfig) -> None:
    for name, own in FOLLOWING.items():
        if (said := getattr(config.search, name)) != getattr(config.rl, own):
            raise ConfigError(
                f"search.{name}={said}: in airr.rl it follows rl.{own}, write rl.{own}={said}"
            )
    for name, only in UNUSED.items():
        if (said := getattr(config.search, name)) != only:
            raise ConfigError(f"search.{name}={said}: airr.rl has no such choice, leave it out")
    if config.llm.ensemble:
        raise ConfigError("llm.ensemble: in airr.rl the policy alone proposes, leave it out")
    if config.search.screen.rungs or config.search.early_stopping.quantile is not None:
        raise ConfigError(
            "search.screen, search.early_stopping: a policy learns from full runs, leave them out"
        )
    rl, policy = config.rl, config.policy
    bounds: tuple[tuple[str, float, float, float], ...] = (
        ("rl.group_size", rl.group_size, 2, 10_000),
        ("rl.epochs", rl.epochs, 1, 10_000),
        ("rl.k", rl.k, 1, rl.group_size if rl.objective is Objective.MAX_AT_K else 100_000),
        ("rl.learning_rate", rl.learning_rate, 0, 10),
        ("rl.clip_norm", rl.clip_norm, 0, 1e6),
        ("rl.steps", rl.steps, 1, rl.group_size),
        ("rl.clip_low", rl.clip_low, 0, 1),
        ("rl.clip_high", rl.clip_high, 0, 10),
        ("rl.kl", rl.kl, 0, 100),
        ("rl.floor", rl.floor, 0, 1e6),
        ("rl.keep", rl.keep, 2, 100_000),
        ("rl.dynamic_prompt", rl.dynamic_prompt, 0, 1000),
        ("rl.patience", 1 if rl.patience is None else rl.patience, 0, 1e9),
        ("policy.temperature", policy.temperature, 0.01, 10),
        ("policy.max_tokens", policy.max_tokens, 1, 1_000_000),
        ("policy.sample_batch", policy.sample_batch, 1, 100_000),
        ("policy.update_tokens", policy.update_tokens, 1, 100_000_000),
        ("policy.nodes", policy.nodes, 1, 10_000),
        ("policy.gpus", policy.gpus, 0, 1000),
        ("policy.cpus", policy.cpus, 1, 10_000),
        ("policy.sample_seconds", policy.sample_seconds, 1, 1e7),
        ("policy.update_seconds", policy.update_seconds, 1, 1e7),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise ConfigError(f"{name}={value:g}: it must be from {least:g} to {most:g}")
