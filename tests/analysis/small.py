"""Small campaigns with numbers that one can add up in the head."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from airr.charter import read_charter
from airr.records import BASELINE, Idea, Outcome, row_of
from airr.workspace import Workspace
from tests.builders import failed, idea, scored
from tests.reporting import ledgers

ACCURACY = {**ledgers.METRIC, "name": "accuracy", "direction": "maximize", "reward": "identity"}

VALUE = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-lr = 0.1\n+lr = 0.2\n"
CODE = "--- a/train.py\n+++ b/train.py\n@@ -1 +1,2 @@\n lr = 0.1\n+loss = smooth(loss)\n"


def campaign(
    folder: Path,
    metrics: Sequence[Sequence[float | None]],
    *,
    env: str = "toy",
    search: str = "evolution",
    model: str = "m",
    seed: int = 0,
    metric: dict[str, Any] | None = None,
    change: Callable[[Idea], Idea] = lambda one: one,
    more: Sequence[Any] = (),
    baseline: float | None = 2.0,
) -> Workspace:
    """Make a campaign with the scores of each epoch's ideas; None is a failure."""
    rows: list[Any] = [row_of(scored(BASELINE, baseline))] if baseline else []
    for epoch, scores in enumerate(metrics):
        for number, score in enumerate(scores):
            one = change(idea(number, epoch, model=model))
            what: Outcome = failed(one.id) if score is None else scored(one.id, score)
            rows += [one, row_of(what)]
    workspace = ledgers.campaign(folder, [*rows, *more])
    charter = read_charter(workspace)
    config: dict[str, Any] = {**charter.config, "seed": seed}
    config["env"] |= {"name": env, "metric": metric or ledgers.METRIC}
    config["search"] |= {"name": search}
    config["llm"] = {"ideator": {"model": model}, "implementer": {"model": "m"}}

    workspace.config.write_text(dataclasses.replace(charter, config=config).to_yaml())
    return workspace


def drawn(script: Any, place: Path, *said: object) -> dict[str, pd.DataFrame]:
    """Run a script on these arguments; return its tables by file name, the figure being there."""
    output = place / "figures"
    script.main([*map(str, said), "--output", str(output)])
    name = Path(script.__file__).stem
    assert (output / f"{name}.png").stat().st_size > 1000
    return {
        path.stem.removeprefix(name).strip("_"): pd.read_csv(path) for path in output.glob("*.csv")
    }
