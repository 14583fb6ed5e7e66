"""The provider that needs no key and no network: it answers from a catalogue of real ideas.

It speaks through the same prompts, parsing and revisions as a model, and is deterministic: the
same request gets the same answer. Fresh and exploring ideas are catalogue entries that were not
tried; exploiting ones merge two parents, vary a parent's numbers, or extend it; a failed one is
mended by leaving out a part of it or by other numbers. No model is asked.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airr.llm.catalogue import Catalogue, Part, Recipe, recipe_name
from airr.llm.protocol import Completion, Purpose, Request, StopReason, Usage

MOST_CANDIDATES = 10_000
MOST_VARIATIONS = 20

Proposal = tuple[Recipe, tuple[str, ...]]
"""A recipe, and the ids of the past ideas that it builds on."""


class Offline:
    """A `Provider` that answers from a catalogue."""

    name = "offline"

    def __init__(self, catalogue: Catalogue) -> None:
        """Answer from these ideas."""
        self._catalogue = catalogue

    async def complete(self, request: Request) -> Completion:
        """Answer one request; nothing is billed."""
        variables = request.variables
        if request.purpose is Purpose.IDEATE:
            text = self._propose(variables, random.Random(f"{request.seed}/{request.id}"))
        else:
            text = self._implement(variables["idea"], variables["built_on"], variables["revision"])
        return Completion(
            text=text, thinking="", stop_reason=StopReason.END, model="offline", usage=Usage()
        )

    def _implement(self, idea: str, built_on: str, revision: int) -> str:
        recipe = self._catalogue.recipe_in(idea)
        if recipe is None:
            return "This idea is not one of the catalogue, and no model is at hand to write it."
        base = self._catalogue.recipe_in(built_on) or ()
        diffs = self._catalogue.diffs_of(recipe, revision, base)
        return "\n\n".join(f"```diff\n{diff}\n```" for diff in diffs)

    def _propose(self, variables: Mapping[str, Any], rng: random.Random) -> str:
        tried = self._names(variables["tried"])
        ideas: list[str] = []
        for recipe, parents in itertools.islice(self._candidates(variables, rng), MOST_CANDIDATES):
            if len(ideas) == variables["count"]:
                break
            if recipe_name(recipe) not in tried:
                tried.add(recipe_name(recipe))
                ideas.append(self._catalogue.text_of(recipe, parents))
        return "\n\n".join(ideas)

    def _names(self, ideas: Sequence[str]) -> set[str]:
        recipes = (self._catalogue.recipe_in(idea) for idea in ideas)
        return {recipe_name(recipe) for recipe in recipes if recipe}

    def _candidates(self, variables: Mapping[str, Any], rng: random.Random) -> Iterator[Proposal]:
        """Return proposals in the order of preference; some of them may have been tried."""
        if variables["origin"] == "exploit":
            yield from itertools.islice(self._refined(variables["shown"], rng), 400)
        if variables["origin"] == "debug":
            yield from self._mended(variables["shown"], rng)
        singles = [(entry.default(),) for entry in self._catalogue.entries.values()]
        rng.shuffle(singles)
        yield from ((recipe, ()) for recipe in singles)
        while True:
            first, second = rng.choices(list(self._catalogue.entries.values()), k=2)
            yield (
                self._merged([self._varied(first.slug, rng)], [self._varied(second.slug, rng)]),
                (),
            )

    def _refined(
        self, shown: Sequence[Mapping[str, str]], rng: random.Random
    ) -> Iterator[Proposal]:
        """Return, in turn and without end: two parents merged, one varied, one extended."""
        parents = self._recipes(shown)
        while parents:
            if len(parents) > 1:
                (first, one), (second, other) = rng.sample(parents, 2)
                merged = self._merged(one, other)
                if len(merged) > max(len(one), len(other)):
                    yield merged, (first, second)
            parent, recipe = rng.choice(parents)
            changed = rng.choice(recipe)
            varied = [self._varied(p.slug, rng) if p is changed else p for p in recipe]
            yield tuple(varied), (parent,)
            extension = self._catalogue.entries[rng.choice(list(self._catalogue.entries))]
            yield self._merged(recipe, [extension.default()]), (parent,)

    def _mended(self, shown: Sequence[Mapping[str, str]], rng: random.Random) -> Iterator[Proposal]:
        """Return each failed recipe with one part left out, and then with other numbers."""
        for failed, recipe in self._recipes(shown):
            if len(recipe) > 1:
                yield from ((recipe[:n] + recipe[n + 1 :], (failed,)) for n in range(len(recipe)))
            for _ in range(MOST_VARIATIONS):
                yield tuple(self._varied(part.slug, rng) for part in recipe), (failed,)

    def _recipes(self, shown: Sequence[Mapping[str, str]]) -> list[tuple[str, Recipe]]:
        """Return (id, recipe) of the past ideas that are of this catalogue."""
        return [
            (past["id"], recipe)
            for past in shown
            if (recipe := self._catalogue.recipe_in(past["text"]))
        ]

    def _merged(self, one: Sequence[Part], other: Sequence[Part]) -> Recipe:
        """Return the parts of both; where two change the same code, the first one's stays."""
        parts: dict[str, Part] = {}
        for part in (*one, *other):
            parts.setdefault(self._catalogue.entries[part.slug].group, part)
        return tuple(parts.values())

    def _varied(self, slug: str, rng: random.Random) -> Part:
        numbers = self._catalogue.entries[slug].numbers
        return Part(slug, tuple((name, rng.choice(values)) for name, values in numbers.items()))
