"""docs/first-campaign.md followed on a real Slurm, with env=example in place of its GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airr.ledger import load
from tests.campaigns import assert_no_run_was_lost, assert_nothing_is_double
from tests.docs.markdown import ROOT, commands_of
from tests.slurm.cluster import VirtualCluster

pytestmark = pytest.mark.long

PAGE = ROOT / "docs" / "first-campaign.md"
OTHERWISE = {
    "env=nanogpt_small": "env=example",
    "nanogpt_small-": "example-",
    "cluster=local": "cluster=local campaign=tried search.ideas_per_epoch=1",
    "once=true": "once=true search.epochs=1 search.ideas_per_epoch=3",
    "search.epochs=10": "search.epochs=1 search.ideas_per_epoch=3 cluster.tick_seconds=1",
    "seeds=5": "seeds=2",
    "top=5 seeds=3": "top=1 seeds=2 cluster.tick_seconds=1",
    "export ANTHROPIC_API_KEY=...": "true",
    "sbatch --partition=cpu": "sbatch --partition=gpu --mem=2G",
}
"""What differs here: no GPU, no key, no ten epochs, and a partition for everything."""
ELSEWHERE = (
    *("git clone", "make ", "source ", "prepare.source"),
    *("+site=", "evolve -m", "serve_vllm", "campaign=served"),
)
"""What is of other sites, or was done before."""
UNTIL_QUIET = 'until [ -z "$(squeue --noheader)" ]; do sleep 0.5; done'


def script() -> str:
    """Return the page as a shell script, which waits for the head that it submits."""
    lines = ["set -euxo pipefail"]
    for written in commands_of(PAGE):
        if any(word in f"{written} " for word in ELSEWHERE):
            continue
        command = written
        for word, here in OTHERWISE.items():
            command = command.replace(word, here)
        lines += [command, *([UNTIL_QUIET] if command.startswith("sbatch") else [])]
    return "\n".join(lines)


@pytest.mark.timeout(1200)
def test_the_page_leads_to_a_verified_campaign(cluster: VirtualCluster, tmp_path: Path):
    for name in ("sbatch", ".venv"):
        (tmp_path / name).symlink_to(sys.prefix if name == ".venv" else ROOT / name)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=tmp_path,
        env={**os.environ, **cluster.environment, "PATH": path, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "\nusable: " in done.stdout
    assert "is complete: nothing was left to do" in _heads_log(tmp_path)
    campaign = tmp_path / "runs" / "example-evolution-s0"
    tables = load(campaign)
    assert len(tables.ideas) == 3
    assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
    assert_nothing_is_double(campaign)
    assert_no_run_was_lost(campaign)
    assert (campaign / "report.html").exists() or (tmp_path / "runs" / "report.html").exists()
    assert set(load(tmp_path / "runs" / "example-evolution-s0-verify").runs.seed) == {1000, 1001}


def _heads_log(place: Path) -> str:
    return "".join(path.read_text() for path in place.glob("airr-head-*.log"))
