"""grpo_tiny as a whole: does the baseline learn, and does a campaign go through with it?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from airr.ledger import load
from airr.records import Reason
from tests.envs import grpo

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def test_grpo_improves_on_the_warm_start_by_more_than_three_standard_errors(
    grpo_data: Path, tmp_path: Path
):
    sealed = grpo_data / "sealed_data"
    start = tmp_path / "start.safetensors"
    start.write_bytes((grpo_data / "train_data" / "model" / "model.safetensors").read_bytes())
    before = grpo.score(start, sealed)
    after = []
    for seed in ("0", "1", "2"):
        out = tmp_path / seed
        printed = grpo.train(out, grpo_data / "train_data", seconds=600, AIRR_SEED=seed)
        after.append(grpo.score(out / "model.safetensors", sealed))
        print(f"seed {seed}: {after[-1]['metric']:.4f}  {printed.splitlines()[-1]}")
    # the policies answer the same problems: their errors do not shrink with their number
    error = np.hypot(before["standard_error"], max(one["standard_error"] for one in after))
    gains = [one["metric"] - before["metric"] for one in after]
    print(f"before: {before['metric']:.4f} ± {before['standard_error']:.4f}, gains {gains}")
    assert min(gains) > 0
    assert np.mean(gains) > 3 * error


def airr(verb: str, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"airr.{verb}", "env=grpo_tiny", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_campaign_goes_through_the_whole_loop(tmp_path: Path):
    airr("prepare", cwd=tmp_path)
    out = airr(
        "evolve", "llm=offline", "cluster=local", "search.epochs=2", "search.ideas_per_epoch=10",
        "campaign=tiny", cwd=tmp_path,
    )  # fmt: skip
    print(out)
    outcomes = load(tmp_path / "runs" / "tiny").outcomes
    assert len(outcomes) == 21
    baseline = outcomes.query("idea_id == 'baseline'").iloc[0]
    assert 0.4 < baseline.metric < 1.0
    assert baseline.scorer_version == "grpo-1"
    scored = outcomes.query("status == 'scored'")
    assert len(scored) > 8
    blameless = {Reason.SCORER_ERROR, Reason.OVER_BUDGET, Reason.LOST, Reason.OOM}
    assert not set(outcomes.reason.dropna()) & blameless
