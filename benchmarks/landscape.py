"""A made-up world of ideas: mechanisms that help or hurt, combine, fail to run, and are noisy.

It takes the place of the models and of the nodes, so that searches can be compared over thousands
of ideas in minutes, and so that the true worth of each idea is known. An idea is a set of
mechanisms, each with a number. What a mechanism saves of the loss is drawn once for each world,
most of them hurt; numbers off their optimum cost, pairs help or hinder each other a little, and
savings saturate. A mechanism that has to be written into the codebase fails with a chance of its
own. Nothing here was fitted to a model or to an environment: how often ideas fail (some 15 to 60
percent, by size) and beat the baseline is roughly what the paper reports, the rest is a guess.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from airr.config import Base, Search
from airr.records import BASELINE, Failed, Idea, Origin, Reason, Scored, Stage, Trial
from airr.researcher.strategy import IdeaRequest

MECHANISMS = 100
UNMODIFIED = 3.0
"""The true loss of the baseline."""
NOISE = 0.02
"""The standard deviation of a score, which its standard error tells."""
MOST_SAVED = 0.5
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

Recipe = Mapping[int, float]
"""Mechanism -> its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is true: of each mechanism its saving, best number, chance to fail and popularity."""

    savings: Sequence[float]
    optima: Sequence[float]
    fragility: Sequence[float]
    popularity: Sequence[float]
    pairs: Mapping[tuple[int, int], float]

    @classmethod
    def of(cls, rng: random.Random) -> World:
        """Draw a world; models propose popular mechanisms more often, be they good or not."""
        some = range(MECHANISMS)
        return cls(
            savings=[rng.gauss(-0.03, 0.04) for _ in some],
            optima=[rng.random() for _ in some],
            fragility=[rng.uniform(0.02, 0.3) for _ in some],
            popularity=[1 / (1 + rank) for rank in rng.sample(some, MECHANISMS)],
            pairs={(a, b): rng.gauss(0, 0.01) for b in some for a in range(b)},
        )

    def loss_of(self, recipe: Recipe) -> float:
        """Return the true loss of an idea."""
        saved = sum(self.savings[m] - 0.1 * (x - self.optima[m]) ** 2 for m, x in recipe.items())
        saved += sum(self.pairs[a, b] for b in recipe for a in recipe if a < b)
        if saved > 0:
            saved = MOST_SAVED * (1 - math.exp(-saved / MOST_SAVED))
        return UNMODIFIED - saved


@dataclass(frozen=True, slots=True)
class Skill:
    """How good a model is: how far its numbers lie off the optimum, how much likelier it fails."""

    spread: float = 0.25
    fragility: float = 1.0


PLAIN = Skill()


class Models:
    """In place of ideator, implementer and nodes: requests -> trials."""

    def __init__(
        self,
        world: World,
        search: Search,
        rng: random.Random,
        skills: Mapping[str | None, Skill] | None = None,
    ) -> None:
        """Answer for one campaign; `skills` are those of the members that propose."""
        self._skills = skills or {}
        self.recipes: dict[str, Recipe] = {}
        self.world = world
        self._search = search
        self._rng = rng

    def baseline(self, seeds: int) -> Scored:
        """Return the measured score of the unmodified codebase, the mean of so many."""
        return self._again(self._scored(BASELINE, UNMODIFIED), UNMODIFIED, seeds - 1)

    def again(self, trial: Trial, times: int) -> Trial:
        """Return a scored trial after so many further runs, with the mean of all its scores."""
        assert isinstance(trial.outcome, Scored)
        outcome = self._again(trial.outcome, self.true_loss(trial.idea.id), times)
        return replace(trial, outcome=outcome)

    def true_loss(self, idea_id: str) -> float:
        """Return what an idea is worth."""
        return self.world.loss_of(self.recipes[idea_id])

    def answer(self, requests: Sequence[IdeaRequest], epoch: int, first: int = 0) -> list[Trial]:
        """Return the trials of an epoch, or of the part of it that begins with that number."""
        wanted = [request for request in requests for _ in range(request.count)]
        return [self._try(request, epoch, number) for number, request in enumerate(wanted, first)]

    def _try(self, request: IdeaRequest, epoch: int, number: int) -> Trial:
        skill = self._skills.get(request.member, PLAIN)
        recipe, parents = self._propose(request, skill)
        base = None
        if request.origin is Origin.EXPLOIT and self._search.base is Base.PARENT:
            base = parents[0]
        idea = Idea(
            id=f"e{epoch:02d}-i{number:03d}",
            epoch=epoch,
            text="",
            origin=request.origin,
            parents=parents,
            base=request.shown[0].idea.base if request.origin is Origin.DEBUG else base,
            island=request.island,
            member=request.member,
            model="landscape",
            thinking_tokens=0,
            idea_tokens=0,
            prompt_hash="",
            call_id="",
            created_at=NOON,
        )
        self.recipes[idea.id] = recipe
        if self._fails(idea, recipe, skill):
            failed = Failed(
                idea_id=idea.id,
                repeat=0,
                attempt=0,
                stage=Stage.TRAIN,
                reason=Reason.CRASH,
                detail="",
                ended_at=NOON,
            )
            return Trial(idea=idea, outcome=failed)
        return Trial(idea=idea, outcome=self._scored(idea.id, self.world.loss_of(recipe)))

    def _propose(self, request: IdeaRequest, skill: Skill) -> tuple[Recipe, tuple[str, ...]]:
        match request.origin:
            case Origin.EXPLOIT:
                return self._refined(request.shown, skill)
            case Origin.DEBUG:
                (failed,) = request.shown
                return self._mended(self.recipes[failed.idea.id]), (failed.idea.id,)
            case _:
                known = {m for past in request.shown for m in self.recipes[past.idea.id]}
                recipe = self._extended({}, skill, known)
                extends = self._rng.random() < 0.2
                return (self._extended(recipe, skill) if extends else recipe), ()

    def _refined(self, shown: Sequence[Trial], skill: Skill) -> tuple[Recipe, tuple[str, ...]]:
        """Merge two parents, vary a number, or extend; the better of two at hand is the parent."""
        parent = self._better_of_two(shown)
        recipe = self.recipes[parent.idea.id]
        kind = self._rng.randrange(3)
        if kind == 0 and len(shown) > 1:
            other = self._better_of_two([one for one in shown if one is not parent])
            parents = (parent.idea.id, other.idea.id)
            return {**self.recipes[other.idea.id], **recipe}, parents
        if kind == 1:
            varied = self._rng.choice(list(recipe))
            number = recipe[varied] + self._rng.gauss(0, 0.6 * skill.spread)
            return {**recipe, varied: min(max(number, 0.0), 1.0)}, (parent.idea.id,)
        return self._extended(recipe, skill), (parent.idea.id,)

    def _better_of_two(self, shown: Sequence[Trial]) -> Trial:
        losses = {
            n: one.outcome.metric
            for n in (self._rng.randrange(len(shown)), self._rng.randrange(len(shown)))
            if isinstance((one := shown[n]).outcome, Scored)
        }
        return shown[min(losses, key=lambda n: losses[n])]

    def _mended(self, recipe: Recipe) -> Recipe:
        """Leave out a mechanism where there are several, and keep the rest."""
        dropped = self._rng.choice(list(recipe)) if len(recipe) > 1 else None
        return {m: x for m, x in recipe.items() if m != dropped}

    def _extended(self, recipe: Recipe, skill: Skill, avoided: set[int] | None = None) -> Recipe:
        """Add a popular mechanism, one that is not avoided if there is any, near its optimum."""
        free = [m for m in range(MECHANISMS) if m not in recipe]
        new = [m for m in free if m not in (avoided or ())] or free
        (added,) = self._rng.choices(new, [self.world.popularity[m] for m in new])
        number = self._rng.gauss(self.world.optima[added], skill.spread)
        return {**recipe, added: min(max(number, 0.0), 1.0)}

    def _fails(self, idea: Idea, recipe: Recipe, skill: Skill) -> bool:
        """Tell whether one of the mechanisms that must be written fails; a traceback helps."""
        there = self.recipes[idea.base] if idea.base else {}
        chance = skill.fragility * (0.5 if idea.origin is Origin.DEBUG else 1.0)
        works = (1 - chance * self.world.fragility[m] for m in recipe if m not in there)
        return self._rng.random() > math.prod(works)

    def _again(self, first: Scored, loss: float, times: int) -> Scored:
        further = [self._scored(first.idea_id, loss).metric for _ in range(times)]
        mean = statistics.fmean([first.metric, *further])
        error = NOISE / math.sqrt(1 + times)
        return replace(first, metric=mean, reward=1 / mean, standard_error=error)

    def _scored(self, idea_id: str, loss: float) -> Scored:
        measured = loss + self._rng.gauss(0, NOISE)
        return Scored(
            idea_id=idea_id,
            repeat=0,
            attempt=0,
            metric=measured,
            standard_error=NOISE,
            reward=1 / measured,
            train_seconds=0.0,
            score_seconds=0.0,
            wall_seconds=0.0,
            log_tail="",
            scorer_version="",
            ended_at=NOON,
        )
