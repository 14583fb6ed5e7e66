"""`python -m airr.status` beside a running head: the queue, where it answers, else the files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.slurm.cluster import VirtualCluster
from tests.slurm.daemons import wait_until
from tests.slurm.people import airr, held_campaign, jobs_of

pytestmark = pytest.mark.long


def unreachable(cluster: VirtualCluster, conf: Path) -> dict[str, str]:
    """Return what a shell exports that looks for this cluster's controller where none listens.

    The controller itself goes on: killed and restarted it may drain the nodes of running jobs.
    """
    port = cluster.folders.port
    text = cluster.folders.slurm_conf.read_text()
    conf.write_text(text.replace(f"SlurmctldPort={port(0)}", f"SlurmctldPort={port(5)}"))
    return {"SLURM_CONF": str(conf)}


@pytest.mark.timeout(240)
def test_status_tells_what_runs_and_what_waits_and_does_without_slurm(
    cluster: VirtualCluster, tmp_path: Path
):
    # one node for all of them, so that all but one wait
    big = ("env.cpus=16", "env.gpus=8", "+cluster.extra.nodelist=node1")
    told = held_campaign("told", tmp_path, *big, cluster=cluster)

    def status(environment: dict[str, str]) -> str:
        done = airr("status", "campaign=runs/told", cwd=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def waits_and_runs() -> bool:
        return all(jobs_of(cluster, "told", state) for state in ("RUNNING", "PENDING"))

    with told.command.running() as head:
        try:
            wait_until("jobs that run and jobs that wait", waits_and_runs, seconds=90)
            shown = status(cluster.environment)
            assert re.search(r"\d runs open: \d running on node1; \d waiting \(", shown), shown
            assert re.search(r"[\d.]+ GPU-hours spent; at most [\d.]+ GPU-hours to come", shown)

            shown = status(unreachable(cluster, tmp_path / "slurm.conf"))
            assert "Slurm does not answer" in shown
            assert re.search(r"from the files: [1-9] ran within the last 90 s", shown), shown
            nowhere = status({"PATH": "/nowhere"})
            assert "squeue cannot be started" in nowhere
        finally:
            told.let_go()
        assert head.wait(timeout=90) == 0
    assert "no runs open" in status(cluster.environment)
