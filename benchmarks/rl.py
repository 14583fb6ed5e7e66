"""Objectives of reinforcement learning on a made-up landscape: what rises, and what collapses.

    python benchmarks/rl.py [--seeds 5] [--epochs 60] [--group 64] [--quick]

A small language model (that of policy=tiny, of other texts) writes ideas: a mechanism of
benchmarks/landscape.py with a number, or two of them. It is trained by the very code that
`python -m airr.rl` runs as jobs: sampling, rewards, advantages, loss. What an idea is worth comes
from the landscape, noise and failures included, in place of the executor; the same text has the
same outcome. Each seed draws a world, in which every arm begins with the same model.

The table compares the first and the last five epochs: the mean reward and what makes it (scored
ideas' mean, and their share), the share of the two commonest clusters, distinct ideas, and the true
gain of the best idea found so far. Intervals are 95 % (Student's t, over seeds); differences to the
mean objective are paired by world.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import re
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.composition import compositions
from airr.policy.catalogue_policy import Recipe as Size
from airr.policy.catalogue_policy import make_catalogue_policy
from airr.policy.diversity import canonical, diversity_of
from airr.policy.models import Rank
from airr.policy.objectives import advantages_of
from airr.policy.rewards import Judged, rewards_of
from airr.policy.sampling import Drawn, draw
from airr.policy.settings import Objective, RlConfig, parse_rl_config
from airr.policy.updating import Example, Learner
from airr.records import Failed, Outcome, Reason, Scored, Stage
from airr.researcher.blocks import parse_blocks
from airr.significance import half_interval
from benchmarks.landscape import MECHANISMS, NOISE, NOON, UNMODIFIED, Recipe, World

ARMS: Mapping[str, Mapping[str, Any]] = {
    "mean": {},
    "max_at_k, k=8": {"objective": Objective.MAX_AT_K, "k": 8},
    "entropic": {"objective": Objective.ENTROPIC},
    "mean, novelty 0.1": {"novelty": 0.1},
}
NAMES = [f"trick_{a}{b}" for a in "abcdefghij" for b in "klmnopqrst"]
"""Of the mechanisms, in letters, so that what compares ideas by their words sees them."""
PART = re.compile(r"(trick_[a-z]+)\(x=(0\.\d+|1\.0)\)")
LINE = re.compile(r"^Recipe: (.+)$", re.MULTILINE)
SIZE = Size(vocabulary=600, width=96, steps=300, batch=32)
WINDOW = 5
LEARNING_RATE = 5e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One epoch of one course. `gain` is the true one of the best-looking idea so far."""

    mean: float
    scored: float
    rate: float
    top_share: float
    distinct: int
    gain: float


def texts(rng: random.Random) -> list[str]:
    """Return what the model learns to write: each mechanism with some numbers, and some pairs."""
    one = [(m,) for m in range(MECHANISMS) for _ in range(4)]
    two = [tuple(rng.sample(range(MECHANISMS), 2)) for _ in range(200)]
    return [_text([(m, rng.random()) for m in parts]) for parts in (*one, *two)]


def _text(parts: Sequence[tuple[int, float]]) -> str:
    recipe = " + ".join(f"{NAMES[m]}(x={min(x, 0.9):.1f})" for m, x in sorted(parts))
    return f"[Experiment] Try it.\n[Code Changes] As it says.\nRecipe: {recipe}\n[End]"


def recipe_of(text: str) -> Recipe | None:
    """Return the recipe that stands in an answer, if it can be implemented."""
    blocks = parse_blocks(text)
    found = LINE.search(blocks[0].text) if blocks else None
    parts = [part.strip() for part in found[1].split("+")] if found else []
    read = [PART.fullmatch(part) for part in parts]
    if not read or not all(read) or len(read) > 3:
        return None
    named = {one[1]: float(one[2]) for one in read if one}
    if not named.keys() <= {*NAMES}:
        return None
    return {NAMES.index(name): x for name, x in named.items()}


def outcome_of(text: str, world: World, seed: int) -> Outcome:
    """Return what becomes of an answer in a world: the same for the same text."""
    recipe = recipe_of(text)
    fields: dict[str, Any] = {"idea_id": "", "repeat": 0, "attempt": 0, "ended_at": NOON}
    if recipe is None:
        return Failed(**fields, stage=Stage.IMPLEMENT, reason=Reason.NO_PATCH, detail="")
    rng = random.Random(f"{seed}/{canonical(text)}")
    if rng.random() > math.prod(1 - world.fragility[m] for m in recipe):
        return Failed(**fields, stage=Stage.TRAIN, reason=Reason.CRASH, detail="")
    measured = world.loss_of(recipe) + rng.gauss(0, NOISE)
    return Scored(
        **fields, metric=measured, standard_error=NOISE, reward=1 / measured,
        train_seconds=0, score_seconds=0, wall_seconds=0, log_tail="", scorer_version="",
    )  # fmt: skip


class Course:
    """One arm in one world."""

    def __init__(self, model: Any, tokenizer: Any, config: RlConfig, seed: int) -> None:
        """Begin with a copy of the model."""
        self._model, self._tokenizer = copy.deepcopy(model), tokenizer
        self._config, self._seed = config, seed
        self._world = World.of(random.Random(seed))
        self._learner = Learner(
            self._model,
            model,
            torch.optim.AdamW(
                self._model.parameters(), lr=config.rl.learning_rate, betas=(0.9, 0.95),
                weight_decay=0.0,
            ),
            policy=config.policy,
            rl=config.rl,
            rank=Rank(rank=0, world=1, device=torch.device("cpu")),
            seed=seed,
        )  # fmt: skip
        self._generator = torch.Generator().manual_seed(seed)
        self._baseline = replace(_scored(UNMODIFIED), idea_id="baseline")
        self._past: dict[str, str] = {}
        self._best: tuple[float, float] = (UNMODIFIED, 0.0)

    def run(self) -> list[Look]:
        """Take all epochs."""
        return [self._epoch() for _ in range(self._config.rl.epochs)]

    def _epoch(self) -> Look:
        rl, prompt = self._config.rl, (int(self._tokenizer.bos_token_id),)
        drawn = draw(
            self._model, prompt, rl.group_size, max_tokens=self._config.policy.max_tokens,
            temperature=1.0, ends={self._tokenizer.eos_token_id}, generator=self._generator,
        )  # fmt: skip
        said = [self._tokenizer.decode(one.tokens, skip_special_tokens=True) for one in drawn]
        outcomes = [outcome_of(text, self._world, self._seed) for text in said]
        group = [
            Judged(text=text, thinking_tokens=0, outcome=outcome)
            for text, outcome in zip(said, outcomes, strict=True)
        ]
        metric = self._config.env.metric
        past = list(self._past.values())
        rewards = rewards_of(group, past, baseline=self._baseline, metric=metric, rl=rl)
        self._past |= {canonical(text): text for text in said}
        self._learn(prompt, drawn, advantages_of(rewards, rl.objective, rl.k).tolist())
        return self._look(said, outcomes)

    def _learn(
        self, prompt: tuple[int, ...], drawn: Sequence[Drawn], advantages: Sequence[float]
    ) -> None:
        self._learner.learn(
            [
                Example(prompt=prompt, tokens=one.tokens, logprobs=one.logprobs, advantage=worth)
                for one, worth in zip(drawn, advantages, strict=True)
            ]
        )

    def _look(self, said: Sequence[str], outcomes: Sequence[Outcome]) -> Look:
        scored = [
            (outcome, text)
            for outcome, text in zip(outcomes, said, strict=True)
            if isinstance(outcome, Scored)
        ]
        for outcome, text in scored:
            recipe = recipe_of(text)
            assert recipe is not None
            true = UNMODIFIED - self._world.loss_of(recipe)
            self._best = min(self._best, (outcome.metric, true))
        spread = diversity_of(said)
        rewards = [outcome.reward for outcome, _ in scored]
        return Look(
            mean=sum(rewards) / len(said),
            scored=statistics.fmean(rewards) if rewards else 0.0,
            rate=len(rewards) / len(said),
            top_share=spread.top_share,
            distinct=spread.distinct,
            gain=self._best[1],
        )


def _scored(metric: float) -> Scored:
    return Scored(
        idea_id="", repeat=0, attempt=0, metric=metric, standard_error=NOISE, reward=1 / metric,
        train_seconds=0, score_seconds=0, wall_seconds=0, log_tail="", scorer_version="",
        ended_at=NOON,
    )  # fmt: skip


def config_of(epochs: int, group: int, changes: Mapping[str, Any]) -> RlConfig:
    """Return the settings of an arm: those of conf/, but for what the benchmark changes."""
    (raw,) = compositions("rl", ["policy.max_tokens=64"])
    raw.pop("once")  # no part of what a campaign is
    config = parse_rl_config(raw)
    base = {"epochs": epochs, "group_size": group, "learning_rate": LEARNING_RATE}
    return replace(config, rl=replace(config.rl, **{**base, **changes}))


def begin() -> tuple[Any, Any]:
    """Return the model that every arm begins with, and its tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model"
        make_catalogue_policy(texts(random.Random(0)), made, SIZE, seed=0, tell=print)
        return AutoModelForCausalLM.from_pretrained(made).eval(), AutoTokenizer.from_pretrained(
            made
        )


def interval(values: Sequence[float], form: str) -> str:
    half = half_interval(values)
    return f"{statistics.fmean(values):{form}}" + (f" ± {half:{form}}" if half is not None else "")


def window(looks: Sequence[Look], name: str, part: slice) -> float:
    return statistics.fmean(getattr(look, name) for look in looks[part])


def table_of(courses: Mapping[str, Sequence[Sequence[Look]]], title: str) -> Table:
    """Return the table: at first, at last, and against the mean objective."""
    table = Table(title=title, title_justify="left")
    columns = ("mean", "scored", "rate", "top_share", "distinct", "gain")
    forms = (".4f", ".4f", ".2f", ".2f", ".1f", ".3f")
    for name in ("arm", "epochs", *columns):
        table.add_column(name, justify="right" if name in columns else "left", no_wrap=True)
    first, last = slice(0, WINDOW), slice(-WINDOW, None)
    for arm, own in courses.items():
        for label, part in (("first", first), ("last", last)):
            values = [[window(looks, name, part) for looks in own] for name in columns]
            cells = [interval(v, form) for v, form in zip(values, forms, strict=True)]
            table.add_row(arm if part is first else "", label, *cells)
        if arm != "mean":
            cells = [
                interval(
                    [
                        window(mine, name, last) - window(base, name, last)
                        for mine, base in zip(own, courses["mean"], strict=True)
                    ],
                    f"+{form}",
                )
                for name, form in zip(columns, forms, strict=True)
            ]
            table.add_row("", "last, less mean's", *cells)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="two seeds, few epochs")
    asked = parser.parse_args()
    seeds, epochs = (2, 2 * WINDOW) if asked.quick else (asked.seeds, asked.epochs)
    torch.manual_seed(0)
    model, tokenizer = begin()
    courses: dict[str, list[list[Look]]] = {arm: [] for arm in ARMS}
    todo = [(arm, seed) for seed in range(seeds) for arm in ARMS]
    for arm, seed in track(todo, description="courses", console=Console(stderr=True)):
        config = config_of(epochs, asked.group, ARMS[arm])
        courses[arm].append(Course(model, tokenizer, config, seed).run())
    console = Console(width=150 if not sys.stdout.isatty() else None, highlight=False)
    console.print(table_of(courses, f"{seeds} worlds, {epochs} epochs of {asked.group} ideas"))


if __name__ == "__main__":
    main()
