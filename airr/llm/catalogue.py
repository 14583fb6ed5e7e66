"""The ideas that the offline provider knows of an environment, each with a real diff.

    envs/<name>/catalogue/<slug>.yaml    title, group, experiment, changes, diff;
                                         numbers that may vary; first_diff, wrong at first;
                                         cheat: true where it must gain nothing

A recipe names entries and their numbers: `muon(lr=0.02) + qk_norm()`. It stands at the end of
every idea of this provider, and is how it knows its own ideas again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airr.errors import ConfigError
from airr.plain_yaml import mapping_at

RECIPE = re.compile(r"^Recipe: (.+)$", re.MULTILINE)
HUNK = re.compile(r"^@@ -([\d,]+) \+([\d,]+) @@")
PART = re.compile(r"(?<![\w-])([\w-]+)\(([\w=.,+ -]*)\)")
"""Numbers and words alone: a recipe may come from a model, and its values go into code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One catalogued idea. `numbers` maps a placeholder to its values, the default first.

    `cheat` marks ideas that must gain nothing: `airr.check` tries the environment with them.
    """

    slug: str
    title: str
    group: str
    experiment: str
    changes: str
    diff: str
    first_diff: str | None = None
    cheat: bool = False
    numbers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def default(self) -> Part:
        """Return the entry as it is proposed first."""
        return Part(self.slug, tuple((name, values[0]) for name, values in self.numbers.items()))


@dataclass(frozen=True, slots=True)
class Part:
    """An entry with values for its numbers."""

    slug: str
    numbers: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Return the part as a recipe names it."""
        return f"{self.slug}({', '.join(f'{name}={value}' for name, value in self.numbers)})"

    def fill(self, text: str) -> str:
        """Return a text of the entry with its numbers put in."""
        for name, value in self.numbers:
            text = text.replace(f"<<{name}>>", value)
        return text.strip()


Recipe = tuple[Part, ...]


def recipe_name(recipe: Recipe) -> str:
    """Return the recipe's one name, whatever the order of its parts."""
    return " + ".join(sorted(str(part) for part in recipe))


class Catalogue:
    """The entries of one environment, in the order of their slugs."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Hold these entries; their slugs must differ."""
        self.entries = {entry.slug: entry for entry in sorted(entries, key=lambda one: one.slug)}

    @classmethod
    def read(cls, folder: Path) -> Catalogue:
        """Return the catalogue kept in a folder.

        Raises:
            ConfigError: there is none, or an entry is malformed.
        """
        files = sorted(folder.glob("*.yaml"))
        if not files:
            raise ConfigError(
                f"the offline provider knows no ideas for this environment ({folder} is empty): "
                "set ANTHROPIC_API_KEY or OPENAI_API_KEY, or serve a model with llm=openai"
            )
        return cls([_entry(path) for path in files])

    def recipe_in(self, idea: str) -> Recipe | None:
        """Return the recipe that stands in an idea's text, if it is one of this catalogue."""
        found = RECIPE.search(idea)
        parts = PART.findall(found[1]) if found else []
        if not parts or any(slug not in self.entries for slug, _ in parts):
            return None
        return tuple(Part(slug, _numbers(values)) for slug, values in parts)

    def text_of(self, recipe: Recipe, parents: Sequence[str]) -> str:
        """Return a recipe as an idea in words, in the form that ideators answer in."""
        entries = [self.entries[part.slug] for part in recipe]
        pairs = list(zip(recipe, entries, strict=True))
        experiment = " ".join(part.fill(entry.experiment) for part, entry in pairs)
        if len(recipe) > 1:
            titles = " with ".join(f"'{entry.title}'" for entry in entries)
            experiment = f"Combine {titles}. {experiment}"
        changes = "\n".join(part.fill(entry.changes) for part, entry in pairs)
        return (
            f"[Experiment] {experiment}\n"
            f"[Code Changes] {changes}\nRecipe: {recipe_name(recipe)}\n"
            f"[Parents] {', '.join(parents) or 'none'}\n[End]"
        )

    def diffs_of(self, recipe: Recipe, revision: int, base: Recipe = ()) -> list[str]:
        """Return the diffs that lead to a recipe, to be applied one after the other.

        `base` is what the codebase holds already: what is no part of the recipe is undone first.
        """
        undone = [
            undo(part.fill(self.entries[part.slug].diff))
            for part in base[::-1]
            if part not in recipe
        ]
        return undone + [self._diff(part, revision) for part in recipe if part not in base]

    def _diff(self, part: Part, revision: int) -> str:
        entry = self.entries[part.slug]
        return part.fill(entry.first_diff if entry.first_diff and revision == 0 else entry.diff)


def undo(diff: str) -> str:
    """Return the unified diff that takes another one back."""
    lines = diff.split("\n")
    undone: list[str] = []
    for line, before in zip(lines, ["", *lines], strict=False):
        if line.startswith("+++ ") and before.startswith("--- "):
            undone[-1:] = [f"--- {_side(line, 'a')}", f"+++ {_side(before, 'b')}"]
        elif hunk := HUNK.match(line):
            undone.append(f"@@ -{hunk[2]} +{hunk[1]} @@{line[hunk.end() :]}")
        else:
            undone.append({"+": "-", "-": "+"}.get(line[:1], line[:1]) + line[1:])
    return "\n".join(undone)


def _side(header: str, letter: str) -> str:
    path = header[4:]
    return path if path == "/dev/null" else f"{letter}/{path.removeprefix('a/').removeprefix('b/')}"


def _numbers(values: str) -> tuple[tuple[str, str], ...]:
    pairs = (value.split("=", 1) for value in values.split(", ") if "=" in value)
    return tuple((name, value) for name, value in pairs)


def _entry(path: Path) -> Entry:
    try:
        raw = mapping_at(path)
        numbers = {name: tuple(map(str, values)) for name, values in raw.pop("numbers", {}).items()}
        return Entry(slug=path.stem, numbers=numbers, **raw)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"catalogue entry {path} is malformed: {error}") from error
