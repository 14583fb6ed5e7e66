"""Make the example campaigns that `make figures` draws.

  python -m analysis.example .example

Nothing is trained and no model is asked. Ideas, failures and scores come from the made-up
landscape of benchmarks/landscape.py; the searches are airr's own, and the RL is a small policy
that climbs the same landscape. Every figure drawn from these campaigns says that it is an
example. The same command makes the same campaigns, in place of those of before.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from airr.charter import Charter
from airr.config import Metric
from airr.ledger import Ledger
from airr.records import Failed, Idea, Outcome, Patch, Reason, Scored, Stage, row_of
from airr.workspace import Workspace, names_in, write_atomically
from analysis.example.making import LOSS, Made, Recipe, example_campaigns
from analysis.example.texts import diff_of, text_of
from analysis.shared.campaigns import EXAMPLE
from benchmarks.landscape import NOON, UNMODIFIED

PER_NAT = 0.45
"""What a nat of the landscape is worth in accuracy, where an example measures that."""
ACCURACY = 0.48
"""The accuracy of the unmodified codebase there."""
REFERENCES = "references.yaml"
WHY_FAILED = (
    (Stage.IMPLEMENT, Reason.NO_PATCH),
    (Stage.PREFLIGHT, Reason.CRASH),
    (Stage.TRAIN, Reason.CRASH),
    (Stage.TRAIN, Reason.OOM),
    (Stage.TRAIN, Reason.OVER_BUDGET),
)


def write_campaign(root: Path, made: Made) -> None:
    """Write one campaign's charter and ledger below `root`."""
    workspace = Workspace(root / made.name)
    workspace.create()
    charter = Charter(
        uid="000000", airr_version=version("airr"), env_sha256=EXAMPLE, config=made.config
    )
    write_atomically(workspace.config, charter.to_yaml().encode())
    rng = random.Random(made.name)
    model = made.config["llm"]["ideator"]["model"]
    rows: list[Any] = [row_of(_measured(made.baseline, made.metric, rng))]
    for trial in made.trials:
        recipe = made.recipes[trial.idea.id]
        outcome = _measured(trial.outcome, made.metric, rng)
        rows += [
            _told(trial.idea, recipe, model, rng),
            _patch(outcome, recipe),
            row_of(outcome),
        ]
    Ledger(workspace.ledger).append(rows)


def _told(idea: Idea, recipe: Recipe, model: str, rng: random.Random) -> Idea:
    """Return an idea with words, and the lengths they might have had: more parts, more thought."""
    thought = 400 * 1.5 ** len(recipe) * rng.lognormvariate(0, 0.4)
    return replace(
        idea,
        text=text_of(recipe),
        model=model,
        thinking_tokens=int(thought),
        idea_tokens=int(90 * len(recipe) * rng.lognormvariate(0, 0.2)),
    )


def _measured(outcome: Outcome, metric: Metric, rng: random.Random) -> Outcome:
    """Return an outcome of the landscape in the terms of the example's environment."""
    if not isinstance(outcome, Scored):
        stage, reason = rng.choice(WHY_FAILED)
        assert isinstance(outcome, Failed)
        return replace(outcome, stage=stage, reason=reason, detail="made up")
    value, scale = outcome.metric, 1.0
    if metric.direction is not LOSS.direction:
        value, scale = ACCURACY + PER_NAT * (UNMODIFIED - value), PER_NAT
    return replace(
        outcome,
        metric=value,
        standard_error=(outcome.standard_error or 0.0) * scale,
        reward=metric.reward_of(value),
        scorer_version=EXAMPLE,
    )


def _patch(outcome: Outcome, recipe: Recipe) -> Patch:
    applied = not (isinstance(outcome, Failed) and outcome.stage is Stage.IMPLEMENT)
    diff = diff_of(recipe) if applied else "I am sorry, I cannot see that file."
    return Patch(
        idea_id=outcome.idea_id,
        sample=0,
        revision=0,
        mends=None,
        applied=applied,
        stage=None if applied else Stage.IMPLEMENT,
        reason=None if applied else Reason.NO_PATCH,
        detail="" if applied else "made up",
        diff=diff,
        files_changed=1,
        lines_added=len(recipe),
        lines_removed=0,
        preflight_seconds=0.0,
        model="model-a",
        call_id="",
        created_at=NOON,
    )


def _clear(root: Path) -> None:
    """Remove the example of before, and nothing else.

    A folder that holds anything but an example is refused.
    """
    if names_in(root) and not (root / REFERENCES).exists():
        sys.exit(f"analysis.example: {root} holds something else: name a new folder")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)


def _references() -> Mapping[str, Any]:
    made_up = {"label": "best human (made up)", "source": "made up"}
    return {
        "example_loss": {"val_loss": [{**made_up, "value": 2.6}]},
        "example_accuracy": {"accuracy": [{**made_up, "value": 0.62}]},
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Write all example campaigns into the folder that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.example",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where the campaigns go")
    root: Path = parser.parse_args(argv).folder
    _clear(root)
    write_atomically(root / REFERENCES, yaml.safe_dump(_references()).encode())
    count = 0
    for made in example_campaigns():
        write_campaign(root, made)
        count += 1
    print(f"{count} made-up campaigns in {root}")


if __name__ == "__main__":
    main()
