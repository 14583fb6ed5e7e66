"""One node's part in a training, as srun starts it: in a process, which ends all below itself."""

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from airr.batch import Batch
from airr.worker.clock import Ending
from airr.worker.launch import STATUSES
from airr.worker.scratch import scratch_of
from airr.worker.unpack import settle
from tests import toy

BUDGET = 60.0
TRAIN_WITHOUT_A_STEP = """
import sys
from pathlib import Path
from uuid import uuid4
from airr.batch import Batch
from airr.worker import train
from airr.worker.scratch import Scratch
from airr.worker.stop import Stop

train.GRACE_SECONDS = 0.5
scratch = Scratch(Path(sys.argv[2]))
scratch.make()
plan = Batch.from_json(Path(sys.argv[1]).read_bytes()).plan
print(train.train(plan, 0, scratch, Stop(), step=("step",)).trouble)
"""


@pytest.mark.parametrize(("late", "is_taken"), [(0.0, True), (31.0, False)])
def test_a_part_that_srun_starts_late_is_left_to_another_attempt(
    late: float, is_taken: bool, tmp_path: Path
):
    """A training with less than its budget would be held against its idea."""
    toy.make_env(tmp_path)
    plan = toy.plan(tmp_path, sandbox="none", budget_seconds=BUDGET)
    file = toy.write_batch(tmp_path, toy.tree(), plan, f"airr-step-{uuid4().hex}")
    batch = Batch.from_json(file.read_bytes())
    scratch = scratch_of(batch.name, 0)
    assert settle(plan, batch.runs[0], scratch) is None
    argv = [sys.executable, "-m", "airr.worker.step", file, "0", f"{time.time() + BUDGET - late}"]
    place = {"SLURM_NODEID": "0", "SLURMD_NODENAME": "node1"}
    try:
        done = subprocess.run(
            argv, env={**os.environ, **place}, capture_output=True, text=True, check=False
        )
        assert (scratch.output / "checkpoint.txt").exists() is is_taken, done.stderr
    finally:
        scratch.remove()
    told = "node1 takes no part: srun started it after 31 s of a budget of 60 s"
    assert (told in done.stdout) is not is_taken
    assert done.returncode == (0 if is_taken else STATUSES[Ending.UNSTARTED])


def test_a_part_that_srun_never_starts_is_not_the_idea_s_fault(tmp_path: Path):
    toy.make_env(tmp_path)
    plan = toy.plan(tmp_path, sandbox="none", budget_seconds=0.5)
    file = toy.write_batch(tmp_path, toy.tree(), plan)
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text("#!/bin/sh\necho 'srun: Job step creation temporarily disabled'\nsleep 60\n")
    srun.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_WITHOUT_A_STEP, file, tmp_path / "scratch"],
        env={**os.environ, "PATH": f"{srun.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "node_fail" in done.stdout
    assert "step creation temporarily disabled" in done.stdout
