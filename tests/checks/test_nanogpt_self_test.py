"""The shipped environment stands its own self-test: minutes of training, known cheats included."""

from pathlib import Path

import pytest

from airr.checks.finding import Verdict
from airr.checks.self_test import candidates_of, self_test
from tests.checks.checking import by_name, config_of, raw_of
from tests.envs import nanogpt

pytestmark = pytest.mark.long


@pytest.mark.timeout(1800)
async def test_nanogpt_tiny_is_trusted_with_reason(tmp_path: Path):
    assert nanogpt.prepare(tmp_path, "stdlib").returncode == 0
    folders = {"env.train_data": "train_data", "env.sealed_data": "sealed_data"}
    folders |= {"env.preflight.train_data": "preflight_train"}
    folders |= {"env.preflight.sealed_data": "preflight_sealed"}
    overrides = [
        *(f"{setting}={tmp_path / folder}" for setting, folder in folders.items()),
        *("env=nanogpt_tiny", "cluster=local", f"root={tmp_path}/runs"),
        # the number of steps is fixed: limits are for what hangs, not for a busy machine
        *("env.preflight.seconds=600", "env.budget_seconds=600", "env.score_seconds=300"),
    ]
    candidates = candidates_of(config_of(*overrides))
    found = await by_name(
        self_test(raw_of(*overrides), candidates, patience=600, tell=lambda _: None)
    )
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}, found
    assert found["no-op"].found.endswith("the baseline's score to the last digit")
    assert "no_checkpoint" in found["empty"].found
    assert "not_causal" in found["both_directions"].found
    assert "not_causal" in found["neighbour_average"].found
    assert "illegal_path" in found["longer_scoring_context"].found
    assert not (tmp_path / "runs").exists()
