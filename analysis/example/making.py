"""The made-up landscape -> campaigns: airr's own searches on it, and a policy that climbs it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from airr.composition import compositions
from airr.config import Direction, Metric, RewardFormula, Search
from airr.parsing import parse_config
from airr.records import BASELINE, Failed, Idea, Origin, Reason, Scored, Stage, Trial
from airr.researcher.strategies import strategy_named
from airr.researcher.strategy import Past
from analysis.example.policy import Policy
from benchmarks.landscape import NOISE, NOON, UNMODIFIED, Models, World

EPOCHS, IDEAS = 10, 20
RL_EPOCHS, RL_IDEAS = 40, 64
BORROWED = {"loss": "nanogpt_tiny", "accuracy": "grpo_tiny"}
"""Example -> the environment whose settings it borrows."""
MODELS = {"model-a": 1.0, "model-b": 2.2, "model-c": 0.6}
"""Made-up model -> how often its code fails, as a multiple of the landscape's own."""
LOSS = Metric(
    name="loss",
    unit="nats",
    direction=Direction.MINIMIZE,
    reward=RewardFormula.INVERSE,
    plausible=(0.5, 12.0),
    jump=0.0,
)
"""What the landscape itself measures."""
Recipe = Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An example campaign.

    `config` is what campaign.yaml says; outcomes are in the landscape's loss, and those of `metric`
    follow from them. `recipes` say what each idea is made of, by its id.
    """

    name: str
    config: Mapping[str, Any]
    metric: Metric
    baseline: Scored
    trials: tuple[Trial, ...]
    recipes: Mapping[str, Recipe]


def example_campaigns() -> Iterator[Made]:
    """Yield every example campaign; the same ones each time."""
    wanted = [("loss", search, "model-a") for search in ("evolution", "best_of_n")]
    wanted += [("accuracy", "evolution", model) for model in MODELS]
    for example, search, model in wanted:
        for seed in range(5):
            yield searched(example, search, model, seed)
    for example in BORROWED:
        for seed in range(3):
            yield trained(example, seed)


def searched(example: str, search: str, model: str, seed: int) -> Made:
    """Return a campaign of one of airr's searches."""
    raw, settings, metric = _settings(example, search, model, seed)
    models = Models(_world(example, model, seed), settings, random.Random(raw["campaign"]))
    past = Past(trials=(), baseline=models.baseline(1), metric=LOSS)
    plan = strategy_named(search)
    for epoch in range(settings.epochs):
        requests = plan(past, epoch, settings, random.Random(f"{seed}/{epoch}"))
        past = replace(past, trials=(*past.trials, *models.answer(requests, epoch)))
    return Made(
        name=raw["campaign"],
        config=raw,
        metric=metric,
        baseline=past.baseline,
        trials=past.trials,
        recipes=models.recipes,
    )


def trained(example: str, seed: int) -> Made:
    """Return a campaign of a policy that learns from its rewards, failures 0."""
    raw, _, metric = _settings(example, "best_of_n", "policy", seed)
    raw["search"]["name"], raw["campaign"] = "rl", f"{example}-rl-s{seed}"
    world, rng = _world(example, "model-a", seed), np.random.default_rng(seed)
    policy, recipes, trials = Policy.of(world), dict[str, Recipe](), list[Trial]()
    for epoch in range(RL_EPOCHS):
        drawn = [policy.sample(world, rng) for _ in range(RL_IDEAS)]
        rewards: list[float] = []
        for number, recipe in enumerate(drawn):
            idea = _idea(epoch, number)
            works = np.prod([1 - world.fragility[m] for m in recipe])
            loss = world.loss_of(recipe) + rng.normal(0, NOISE)
            outcome = _scored(idea.id, loss) if rng.random() < works else _failed(idea.id)
            recipes[idea.id] = recipe
            trials.append(Trial(idea=idea, outcome=outcome))
            rewards.append(1 / loss if isinstance(outcome, Scored) else 0.0)
        policy.learn(drawn, rewards)
    return Made(
        name=raw["campaign"],
        config=raw,
        metric=metric,
        baseline=_scored(BASELINE, UNMODIFIED),
        trials=tuple(trials),
        recipes=recipes,
    )


def _settings(
    example: str, search: str, model: str, seed: int
) -> tuple[dict[str, Any], Search, Metric]:
    said = (
        f"env={BORROWED[example]}", f"env.name=example_{example}", f"search={search}",
        "env.title='made up: nothing was trained'", f"seed={seed}", "llm=openai",
        f"search.epochs={EPOCHS}", f"search.ideas_per_epoch={IDEAS}",
        f"llm.ideator.model={model}", "llm.implementer.model=model-a",
        f"campaign={example}-{search}-{model}-s{seed}",
    )  # fmt: skip
    (raw,) = compositions("evolve", said)
    raw = {name: value for name, value in raw.items() if name not in {"fork", "once"}}
    config = parse_config(raw)
    return raw, config.search, config.env.metric


def _world(example: str, model: str, seed: int) -> World:
    """Return the world of a seed, the same for all its campaigns but for how often code fails."""
    world = World.of(random.Random(f"{example}/{seed}"))
    fragility = [min(0.9, chance * MODELS[model]) for chance in world.fragility]
    return replace(world, fragility=fragility)


def _idea(epoch: int, number: int) -> Idea:
    return Idea(
        id=f"e{epoch:02d}-i{number:03d}",
        epoch=epoch,
        text="",
        origin=Origin.RL,
        parents=(),
        model="policy",
        thinking_tokens=0,
        idea_tokens=0,
        prompt_hash="",
        call_id="",
        created_at=NOON,
    )


def _scored(idea_id: str, loss: float) -> Scored:
    return Scored(
        idea_id=idea_id,
        repeat=0,
        attempt=0,
        metric=loss,
        standard_error=NOISE,
        reward=1 / loss,
        train_seconds=0.0,
        score_seconds=0.0,
        wall_seconds=0.0,
        log_tail="",
        scorer_version="",
        ended_at=NOON,
    )


def _failed(idea_id: str) -> Failed:
    return Failed(
        idea_id=idea_id,
        repeat=0,
        attempt=0,
        stage=Stage.TRAIN,
        reason=Reason.CRASH,
        detail="",
        ended_at=NOON,
    )
