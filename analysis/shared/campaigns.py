"""Campaign folders -> their trials as one DataFrame each: the one place where files are read.

A trial is an idea and what came of it. Further seeds of one codebase are made one outcome by
`airr.estimates.settled`, as in every other display of airr.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from airr.charter import Charter, read_charter
from airr.config import OFFLINE, Direction, Metric
from airr.errors import ConfigError, WorkspaceError
from airr.estimates import settled
from airr.ledger import Tables, load, read_records
from airr.records import (
    BASELINE,
    DROPPED,
    SCORED,
    WITHHELD,
    OutcomeRow,
    Scored,
    Wanted,
    outcomes_of,
    row_of,
)
from airr.titles import titles_of
from airr.workspace import Workspace, campaign_folder

ROOT = Path("runs")
"""Where a campaign lies that is given by its name alone."""
EXAMPLE = "example"
"""The scorer version of what analysis/example.py made up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """One campaign.

    `trials` has a row for each idea that has come to an outcome, in the order of proposing:
    campaign, idea_id, epoch, text, title, origin, ideator, implementer, thinking_tokens,
    idea_tokens, diff, status (scored, failed, withheld), executed, reason, metric, error (standard,
    of the metric), reward (0 unless scored) and runs (seeds with which it was run; at least 1).
    `settings` are those of its campaign.yaml by their dotted names.
    """

    name: str
    env: str
    metric: Metric
    seed: int
    settings: Mapping[str, Any]
    baseline: Scored | None
    trials: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def minimizes(self) -> bool:
        """Tell whether a lower metric is better."""
        return self.metric.direction is Direction.MINIMIZE

    @property
    def scored(self) -> pd.DataFrame:
        """Return the trials with a score that counts."""
        return self.trials[self.trials.status == SCORED]


def read_campaigns(named: Sequence[str]) -> list[Campaign]:
    """Return the campaigns that these folders, names below runs/, or globs of either mean.

    What is no campaign (a measurement of airr.verify, a folder) is passed over.

    Raises:
        WorkspaceError: none is left, or one is damaged.
    """
    patterns = [str(campaign_folder(ROOT, one)) for one in named]
    found = [Path(path) for one in patterns for path in sorted(glob.glob(one))]  # noqa: PTH207
    folders = [folder for folder in dict.fromkeys(found) if _is_campaign(Workspace(folder))]
    if not folders:
        raise WorkspaceError(
            f"no campaign is there: {' '.join(named)}\n"
            "give folders such as runs/mine, or a glob in quotes: 'runs/*'"
        )
    names = [folder.name for folder in folders]
    return [
        _read(folder, folder.name if names.count(folder.name) == 1 else str(folder))
        for folder in folders
    ]


def _is_campaign(workspace: Workspace) -> bool:
    if not workspace.config.exists():
        return False
    config = read_charter(workspace).config
    return "search" in config or "seeds" not in config  # a measurement has seeds, and no search


def _read(folder: Path, name: str) -> Campaign:
    workspace = Workspace(folder)
    charter = read_charter(workspace)
    found = outcomes_of(read_records(workspace.ledger, OutcomeRow))
    outcomes = settled(found)
    baseline = outcomes.get(BASELINE)
    rows = {key: row_of(outcome) for key, outcome in outcomes.items() if key != BASELINE}
    env = charter.setting("env.name", str)
    trials = _trials(name, env, load(folder), rows, found)
    return Campaign(
        name=name,
        env=env,
        metric=charter.metric,
        seed=int(charter.config.get("seed", 0)),
        settings=_by_dotted_name(charter.config),
        baseline=baseline if isinstance(baseline, Scored) else None,
        trials=trials,
        notes=_notes(charter, trials, {row.scorer_version for row in rows.values()}),
    )


def _by_dotted_name(config: Mapping[str, Any]) -> dict[str, Any]:
    flat = pd.json_normalize(dict(config)).iloc[0]
    return {str(name): value for name, value in flat.items()}


def _trials(
    name: str,
    env: str,
    tables: Tables,
    rows: Mapping[str, OutcomeRow],
    found: Mapping[Wanted, Any],
) -> pd.DataFrame:
    ideas = tables.ideas.rename(columns={"id": "idea_id", "model": "ideator"})
    ideas = ideas[ideas.idea_id.isin(rows)].assign(campaign=name, env=env)
    ideas["number"] = [int(idea_id.rpartition("-i")[2]) for idea_id in ideas.idea_id]
    titles = titles_of(dict(zip(ideas.idea_id, ideas.text, strict=True)))
    ideas["title"] = [titles[idea_id].within() for idea_id in ideas.idea_id]
    ideas = ideas.merge(_patches(tables.patches), on="idea_id", how="left")
    own = [rows[idea_id] for idea_id in ideas.idea_id]
    runs = pd.Series([idea_id for idea_id, _ in found], dtype="str").value_counts()
    ideas = ideas.assign(
        status=[row.status for row in own],
        executed=[row.status in (SCORED, WITHHELD, DROPPED) for row in own],
        reason=["" if row.reason is None else str(row.reason) for row in own],
        metric=pd.array([row.metric for row in own], dtype="float64"),
        error=pd.array([row.standard_error for row in own], dtype="float64"),
        reward=pd.array([row.reward for row in own], dtype="float64"),
        runs=ideas.idea_id.map(runs),
    )
    return ideas.sort_values(["epoch", "number"], kind="stable").reset_index(drop=True)


def _patches(patches: pd.DataFrame) -> pd.DataFrame:
    """Return by idea who implemented it, and its diff: the last that applied, else the last."""
    last = patches.sort_values("applied", kind="stable").drop_duplicates("idea_id", keep="last")
    return last[["idea_id", "model", "diff"]].rename(columns={"model": "implementer"})


def _notes(charter: Charter, trials: pd.DataFrame, scorers: set[str]) -> tuple[str, ...]:
    """Return what a reader of a figure must know of where its numbers come from."""
    notes = {
        "an example: a made-up landscape of ideas, nothing was trained": EXAMPLE in scorers,
        "imported: not measured by airr": charter.is_imported,
        "ideas from airr's catalogue: no model had them": (trials.ideator == OFFLINE).any(),
        "diffs from airr's catalogue: no model wrote them": (trials.implementer == OFFLINE).any(),
    }
    return tuple(note for note, holds in notes.items() if holds)


def together(campaigns: Sequence[Campaign]) -> pd.DataFrame:
    """Return the trials of several campaigns in one frame."""
    return pd.concat([one.trials for one in campaigns], ignore_index=True)


def by_env(campaigns: Sequence[Campaign]) -> dict[str, list[Campaign]]:
    """Return the campaigns of each environment, in the order given.

    Raises:
        ConfigError: two of one environment measure different things, so that they do not compare.
    """
    envs: dict[str, list[Campaign]] = {}
    for one in campaigns:
        envs.setdefault(one.env, []).append(one)
    for env, own in envs.items():
        if len({(one.metric.name, one.metric.direction) for one in own}) > 1:
            names = ", ".join(f"{one.name} {one.metric.name}" for one in own)
            raise ConfigError(f"campaigns of env={env} measure different things: {names}")
    return envs
