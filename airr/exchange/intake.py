"""Rows of trajectories -> a campaign whose scores others have measured.

Its settings say `imported`, its ideas are of that origin, and so is what its scores were measured
by: nothing of airr's takes them for its own. What no file says (a baseline, how an idea was asked
for, why it failed) is left open, not made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from airr.config import Direction, Metric, RewardFormula
from airr.errors import ConfigError
from airr.exchange.rows import Measure, Row
from airr.parsing import CAMPAIGN_NAME, parse
from airr.plain import plain_line
from airr.records import (
    BASELINE,
    Failed,
    Idea,
    Origin,
    Outcome,
    Patch,
    Reason,
    Scored,
    Stage,
    Withheld,
    row_of,
)
from airr.resources import resource

IMPORTED = str(Origin.IMPORTED)
NAMED_AT_MOST = 8
DIRECTIONS = {Measure.LOSS: Direction.MINIMIZE, Measure.ACCURACY: Direction.MAXIMIZE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """Which rows of a file are taken; null takes all."""

    env: str | None
    ideator: str | None
    executor: str | None

    def takes(self, row: Row) -> bool:
        """Tell whether a row is wanted."""
        asked = (
            (self.env, row.env),
            (self.ideator, row.ideator_model),
            (self.executor, row.executor_model),
        )
        return all(wanted is None or wanted == found for wanted, found in asked)


def metric_of(rows: Sequence[Row]) -> Metric:
    """Return what the scores of these rows mean: the environment's own metric, if airr knows it.

    Raises:
        ConfigError: there are no rows, or they are of several environments or measures.
    """
    if not rows:
        raise ConfigError("no row is left to import")
    envs = Counter(row.env for row in rows)
    if len(envs) > 1:
        raise ConfigError(
            f"the file holds several environments ({_listed(envs)}), whose scores do not compare: "
            f"import one at a time, such as 'only.env=\"{next(iter(envs))}\"'"
        )
    measures = Counter(str(row.measure) for row in rows if row.measure)
    if len(measures) > 1:
        raise ConfigError(f"some rows have an accuracy and others a loss ({_listed(measures)})")
    known = _known_metric(rows[0].env)
    measure = next((row.measure for row in rows if row.measure), None)
    if known and (measure is None or DIRECTIONS[measure] is known.direction):
        return known
    if measure is Measure.LOSS:
        return Metric(
            name=Measure.LOSS,
            unit="",
            direction=Direction.MINIMIZE,
            reward=RewardFormula.INVERSE,
            plausible=(0.0, 1e9),
            jump=0.0,
        )
    return Metric(
        name=Measure.ACCURACY,
        unit="",
        direction=Direction.MAXIMIZE,
        reward=RewardFormula.IDENTITY,
        plausible=(0.0, 1.0),
        jump=0.0,
    )


def _known_metric(env: str) -> Metric | None:
    """Return the metric of the shipped environment of that name; a stranger's is no path."""
    path = resource("conf") / "env" / f"{env}.yaml"
    if not CAMPAIGN_NAME.fullmatch(env) or not path.is_file():
        return None
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    return parse(Metric, settings["metric"], at="env.metric.")


def _listed(counts: Mapping[str, int]) -> str:
    shown = [f"{plain_line(name)} {count}" for name, count in counts.items()][:NAMED_AT_MOST]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more else "")


def config_of(
    name: str, rows: Sequence[Row], metric: Metric, source: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what campaign.yaml says: `source` tells where the rows come from."""
    per_epoch = Counter(row.epoch for row in rows)
    ideators = " and ".join(dict.fromkeys(row.ideator_model for row in rows))
    executors = " and ".join(dict.fromkeys(row.executor_model or "unknown" for row in rows))
    shape = {"reward": str(metric.reward), "direction": str(metric.direction)}
    return {
        "campaign": name,
        "seed": 0,
        IMPORTED: dict(source),
        "env": {
            "name": rows[0].env,
            "title": f"imported from {source['file']}: measured elsewhere",
            "metric": {**asdict(metric), **shape, "plausible": [*metric.plausible]},
            "nodes": 0,
            "gpus": 0,
            "budget_seconds": 0.0,
            "score_seconds": 0.0,
        },
        "llm": {
            "ideator": {"provider": IMPORTED, "model": _cut(ideators)},
            "implementer": {"provider": IMPORTED, "model": _cut(executors)},
        },
        "search": {
            "name": IMPORTED,
            "epochs": max(per_epoch) + 1,
            "ideas_per_epoch": max(per_epoch.values()),
            "caution": 0.0,
            "repeats": 0,
            "baseline_seeds": 0,
        },
        "cluster": {"scheduler": "local"},
    }


def _cut(names: str) -> str:
    return names if len(names) <= 200 else f"{names[:197]}..."


def records_of(
    rows: Sequence[Row], metric: Metric, baseline: float | None, now: datetime
) -> list[Any]:
    """Return the ledger's rows: an idea, a patch and an outcome for each row, in its order."""
    records: list[Any] = []
    if baseline is not None:
        records.append(row_of(_outcome(BASELINE, baseline, metric, now, has_diff=True)))
    numbers: Counter[int] = Counter()
    for row in rows:
        idea_id = f"e{row.epoch:02d}-i{numbers[row.epoch]:03d}"
        numbers[row.epoch] += 1
        outcome = _outcome(idea_id, row.value, metric, now, has_diff=bool(row.code_diff))
        records += [_idea(idea_id, row, now), _patch(idea_id, row, now), row_of(outcome)]
    return records


def _idea(idea_id: str, row: Row, now: datetime) -> Idea:
    return Idea(
        id=idea_id,
        epoch=row.epoch,
        text=row.idea,
        origin=Origin.IMPORTED,
        parents=(),
        model=row.ideator_model,
        thinking_tokens=0,
        idea_tokens=0,
        prompt_hash="",
        call_id="",
        created_at=now,
    )


def _patch(idea_id: str, row: Row, now: datetime) -> Patch:
    """Return the diff as it came; what has none and no score counts as never patched."""
    applied = bool(row.code_diff) or row.value is not None
    lines = [line for line in row.code_diff.splitlines() if not line.startswith(("+++", "---"))]
    return Patch(
        idea_id=idea_id,
        sample=0,
        revision=0,
        mends=None,
        applied=applied,
        stage=None if applied else Stage.IMPLEMENT,
        reason=None if applied else Reason.NO_PATCH,
        detail="" if applied else "the imported row has no diff",
        diff=row.code_diff,
        files_changed=row.code_diff.count("\n+++ ") + row.code_diff.startswith("+++ "),
        lines_added=sum(line.startswith("+") for line in lines),
        lines_removed=sum(line.startswith("-") for line in lines),
        preflight_seconds=0.0,
        model=row.executor_model,
        call_id="",
        created_at=now,
    )


def _outcome(
    idea_id: str, value: float | None, metric: Metric, now: datetime, *, has_diff: bool
) -> Outcome:
    if value is None:
        return Failed(
            idea_id=idea_id,
            repeat=0,
            attempt=0,
            stage=Stage.TRAIN if has_diff else Stage.IMPLEMENT,
            reason=Reason.UNKNOWN if has_diff else Reason.NO_PATCH,
            detail="imported without a score; the file does not say why",
            scorer_version=IMPORTED,
            ended_at=now,
        )
    measured: dict[str, Any] = {
        "idea_id": idea_id, "repeat": 0, "attempt": 0, "metric": value, "standard_error": None,
        "train_seconds": 0.0, "score_seconds": 0.0, "wall_seconds": 0.0, "log_tail": "",
        "scorer_version": IMPORTED, "ended_at": now,
    }  # fmt: skip
    low, high = metric.plausible
    if not low <= value <= high:
        detail = f"imported; {metric.name} {value:g} lies outside of {low:g} to {high:g}"
        return Withheld(**measured, reason=Reason.IMPLAUSIBLE, detail=detail)
    return Scored(**measured, reward=metric.reward_of(value))


def source_of(file: Path, sha256: str, only: Only, baseline: float | None) -> dict[str, Any]:
    """Return what tells one import from another, and the name of its file."""
    return {"file": file.name, "sha256": sha256, "only": asdict(only), "baseline": baseline}
