"""The best ideas of a campaign, chosen and taken over into a measurement of their own.

Whoever takes the best of many noisy scores takes the luckiest: their own scores say too much.
So they are run anew with seeds that the search never used, beside the baseline with the same
seeds, and only these scores are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airr.charter import Charter, read_charter
from airr.config import OFFLINE, Metric
from airr.errors import ConfigError, WorkspaceError
from airr.estimates import settled
from airr.executor.codebases import sha256_of
from airr.ledger import read_records
from airr.measuring import Measure, Measurement, Measuring
from airr.records import (
    BASELINE,
    Codebase,
    Idea,
    OutcomeRow,
    Run,
    Scored,
    Withheld,
    outcomes_of,
)
from airr.workspace import Workspace, write_atomically

PASSED_ON = ("seeds", "top", "measure", "target", "save_every_seconds", "cluster")
SEEDS_APART = 1000
"""Fresh seeds begin at the next multiple of this beyond those of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Measurement):
    """A measurement of the `top` ideas of the campaign in the folder `source`."""

    source: str
    top: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search found: the campaign's ideas, and the score of each one's own runs.

    Scores that it withheld are among them.
    """

    workspace: Workspace
    charter: Charter
    metric: Metric
    ideas: Mapping[str, Idea]
    scores: Mapping[str, float]
    seeds: frozenset[int]

    @property
    def trusts_its_code(self) -> bool:
        """Tell whether its diffs are airr's own, out of the offline catalogue."""
        return self.charter.setting("llm.implementer.provider", str) == OFFLINE


def read_search(folder: Workspace) -> Searched:
    """Return what a campaign has found so far.

    Raises:
        WorkspaceError: the folder holds no campaign, or one without ideas.
    """
    charter = read_charter(folder)
    if "search" not in charter.config:
        raise WorkspaceError(
            f"{folder.folder} is no search: verify takes a campaign of airr.evolve"
        )
    if charter.is_imported:
        raise WorkspaceError(
            f"campaign {folder.name} was imported, and its codebases are not here: run its best "
            f"ideas first, python -m airr.evolve campaign=NEW fork={folder.folder}, and verify "
            "those"
        )
    outcomes = settled(outcomes_of(read_records(folder.ledger, OutcomeRow)))
    return Searched(
        workspace=folder,
        charter=charter,
        metric=charter.metric,
        ideas={idea.id: idea for idea in read_records(folder.ledger, Idea)},
        scores={
            one.idea_id: one.metric
            for one in outcomes.values()
            if isinstance(one, Scored | Withheld)  # what is withheld waits for just this
        },
        seeds=frozenset(
            {run.seed for run in read_records(folder.ledger, Run)} | {charter.setting("seed", int)}
        ),
    )


def settings_of(raw: Mapping[str, Any], searched: Searched) -> dict[str, Any]:
    """Return a verb's settings with what they leave open filled in from the campaign.

    Raises:
        ConfigError: the environment is another one, or the seeds were used in the search.
    """
    before = searched.charter.section("env")
    env = {**(raw.get("env") or before)}
    if env["folder"] != before["folder"]:
        raise ConfigError(
            f"env={env['name']} has the codebase of envs/{env['folder']}, but the ideas of "
            f"{searched.workspace.name} are diffs against that of envs/{before['folder']}"
        )
    strict = {k: v for k, v in raw["strict"].items() if k in env["score_settings"]}
    env["score_settings"] = {**env["score_settings"], **strict}
    elsewhere = "" if env["name"] == before["name"] else f"-{env['name']}"
    race = "" if raw["measure"] == Measure.SCORE else f"-{raw['measure']}"
    if raw["budget_seconds"] is not None:
        env["budget_seconds"] = raw["budget_seconds"]
    seed = raw["seed"]
    seeds = range(seed, seed + raw["seeds"]) if seed is not None else ()
    if used := sorted(searched.seeds.intersection(seeds)):
        raise ConfigError(
            f"seed={seed} seeds={raw['seeds']}: the search has used seed {used[0]}, and what is "
            "chosen with a seed must be verified with others; leave seed out"
        )
    return {
        "campaign": f"{searched.workspace.name}-verify{elsewhere}{race}",
        "root": str(searched.workspace.folder.parent),
        "source": str(searched.workspace.folder),
        "seed": fresh_seed(searched.seeds) if seed is None else seed,
        "env": env,
        "data": raw["data"] or searched.charter.setting("data", str),
        **{name: raw[name] for name in PASSED_ON},
    }


def fresh_seed(used: frozenset[int]) -> int:
    """Return the first of many seeds that were not used."""
    return (max(used) // SEEDS_APART + 1) * SEEDS_APART


def check_verification(config: Verification, searched: Searched) -> None:
    """Refuse to verify where there is nothing to be verified.

    Raises:
        ConfigError: no idea is asked for.
        WorkspaceError: no idea of the campaign has a score.
    """
    if config.top < 1:
        raise ConfigError(f"top={config.top}: it must be at least 1")
    if searched.scores.keys().isdisjoint(searched.ideas):
        raise WorkspaceError(f"campaign {searched.workspace.name} has no scored idea to verify")


def choose(searched: Searched, already: Sequence[str], count: int) -> list[Idea]:
    """Return the ideas to verify: those chosen before, and the best others up to `count`."""
    ranked = sorted(
        (one for one in searched.scores if one in searched.ideas),
        key=lambda one: (-searched.metric.gain(searched.scores[one], over=0.0), one),
    )
    wanted = [*already, *(one for one in ranked if one not in already)]
    return [searched.ideas[one] for one in wanted[: max(count, len(already))]]


def codebases_of(config: Verification, searched: Searched) -> int:
    """Return how many codebases a verification runs: the baseline's, and those there are to choose.

    Ideas that an earlier start has chosen are among them.
    """
    measured = Workspace(Path(config.root) / config.campaign)
    already = [idea.id for idea in read_records(measured.ledger, Idea)]
    return 1 + len(choose(searched, already, config.top))


def adopt(measuring: Measuring, searched: Searched, count: int) -> list[Codebase]:
    """Take the best ideas and the baseline over into the measurement; return their codebases.

    Archives stand in the folder before the ledger tells of their ideas.
    """
    book = measuring.book
    ideas = choose(searched, [*book.ideas], count)
    codebases = [_copied(searched, measuring.workspace, name) for name in _names(ideas)]
    book.enter([idea for idea in ideas if idea.id not in book.ideas])
    return codebases


def _names(ideas: Sequence[Idea]) -> list[str]:
    return [BASELINE, *(idea.id for idea in ideas)]


def _copied(searched: Searched, target: Workspace, idea_id: str) -> Codebase:
    source, path = searched.workspace.codebase(idea_id), target.codebase(idea_id)
    if not path.exists():
        try:
            write_atomically(path, source.read_bytes())
        except FileNotFoundError:
            raise WorkspaceError(f"{source} is gone: {idea_id} cannot be run again") from None
    return Codebase(
        idea_id=idea_id,
        path=path.relative_to(target.folder).as_posix(),
        sha256=sha256_of(path.read_bytes()),
    )
