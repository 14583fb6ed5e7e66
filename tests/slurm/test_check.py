"""`python -m airr.check` on a real Slurm: sites that are usable, and sites that are not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from airr.checks.finding import Finding, Verdict
from airr.checks.node import Unheard, probe, probe_array
from airr.checks.node_rules import judge_silence
from airr.checks.self_test import candidates_of, self_test
from airr.checks.site import Site
from airr.checks.site_rules import needs_of
from airr.cluster.protocol import TaskState
from airr.cluster.slurm import Slurm
from airr.cluster.slurm_settings import SlurmSettings
from tests import toy
from tests.checks.checking import by_name, config_of, raw_of
from tests.slurm.bench import all_are, backend, shell_array, until
from tests.slurm.cluster import VirtualCluster
from tests.slurm.daemons import wait_until
from tests.slurm.people import airr

QUICK = ("cluster=slurm", "cluster.tick_seconds=0.5", "cluster.lost_after_seconds=1")


def jobs(cluster: VirtualCluster) -> list[str]:
    """Return the jobs of checks that wait or run."""
    listed = cluster.run("squeue", "--noheader", "--format=%j").stdout.split()
    return [name for name in listed if name.startswith("airr-check-")]


def no_job_is_left(cluster: VirtualCluster) -> None:
    """Give a probe that has reported the moment that Slurm takes to end it."""
    wait_until("no check's job to be left", lambda: not jobs(cluster), seconds=15)


async def site(cluster: VirtualCluster, *overrides: str) -> dict[str, Finding]:
    config = config_of(*QUICK, *overrides)
    own = config.cluster.own
    assert isinstance(own, SlurmSettings)
    array = probe_array(config, Path("/tmp/check"))
    environment = os.environ | cluster.environment
    needs = needs_of(config.env.name, array, own)
    return await by_name(Site(own, environment).check(needs, array))


def slurm_of(cluster: VirtualCluster, *overrides: str) -> Slurm:
    own = config_of(*QUICK, *overrides).cluster.own
    assert isinstance(own, SlurmSettings)
    return Slurm(own, os.environ | cluster.environment)


def test_a_usable_site_says_so_and_no_key_reaches_its_node(cluster: VirtualCluster, tmp_path: Path):
    toy_env = toy.make_campaign_env(tmp_path)
    keys = {"ANTHROPIC_API_KEY": "sk-test", "WANDB_API_KEY": "w", "HF_TOKEN": "h"}
    asked = ["check.runs=false", "llm=offline", "cluster.pass_env=[HF_TOKEN]", "env.nodes=2"]
    done = airr(
        "check",
        *(*QUICK, *toy_env, *asked),
        cwd=tmp_path,
        environment=keys | cluster.environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    assert "of 4 nodes offer 1 CPUs" in done.stdout
    assert re.search(r"ok +step +srun starts a step on node\d, node\d\n", done.stdout)
    assert "bubblewrap works on node" in done.stdout
    assert "cluster.pass_env passes on HF_TOKEN\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("usable: ")
    assert not (tmp_path / "runs").exists()
    no_job_is_left(cluster)


def test_a_dry_run_shows_the_probes_script_and_does_nothing(
    cluster: VirtualCluster, tmp_path: Path
):
    shown = airr(
        "check",
        *(*QUICK, "env=nanogpt", "+dry_run=true", "cluster.partition=gpu"),
        cwd=tmp_path,
        environment=cluster.environment,
    )
    assert shown.returncode == 0, shown.stderr
    assert "#SBATCH --partition=gpu\n" in shown.stdout
    assert "#SBATCH --gres=gpu:8\n" in shown.stdout
    assert "-m airr.checks.probe " in shown.stdout
    assert not list(tmp_path.iterdir())


async def test_a_missing_partition_is_told_with_those_there_are(cluster: VirtualCluster):
    found = await site(cluster, "cluster.partition=nope")
    assert found["partition"].verdict is Verdict.FAILED
    assert found["partition"].remedy == (
        "set cluster.partition to one of gpu, high, preempt, narrow"
    )
    assert found["request"].verdict is Verdict.FAILED


async def test_what_a_partition_cannot_give_is_told_in_numbers(cluster: VirtualCluster):
    found = await site(cluster, "env.gpus=16", "env.budget_seconds=180", "cluster.partition=narrow")
    assert found["nodes"].found == (
        "env 'nanogpt_tiny' asks for 16 GPUs per node; partition 'narrow' offers 8"
    )
    assert found["nodes"].remedy == "set cluster.partition or env.gpus"
    assert "asks for 12 minutes; partition 'narrow' allows 10" in found["time limit"].found
    assert found["request"].verdict is Verdict.FAILED
    fits = await site(cluster, "env.gpus=8", "cluster.gres=gpu:h100", "cluster.partition=gpu")
    assert {finding.verdict for finding in fits.values()} == {Verdict.OK}, fits


async def test_the_limit_of_a_qos_and_the_way_of_preemption_are_told(cluster: VirtualCluster):
    overrides = ("cluster.partition=preempt", "cluster.qos=short", "env.budget_seconds=60")
    found = await site(cluster, *overrides)
    assert "QOS short holds 4 jobs of yours at once" in found["limits"].found
    assert "may be preempted (requeue): airr puts them back" in found["preemption"].found


async def test_a_controller_out_of_reach_ends_the_checks_of_the_site(
    cluster: VirtualCluster, tmp_path: Path
):
    port = cluster.folders.port
    text = cluster.folders.slurm_conf.read_text()
    conf = tmp_path / "slurm.conf"
    conf.write_text(text.replace(f"SlurmctldPort={port(0)}", f"SlurmctldPort={port(5)}"))
    config = config_of(*QUICK)
    assert isinstance(config.cluster.own, SlurmSettings)
    array = probe_array(config, tmp_path)
    asked = Site(config.cluster.own, os.environ | {"SLURM_CONF": str(conf)})
    found = await by_name(asked.check(needs_of("x", array, config.cluster.own), array))
    assert list(found) == ["commands", "controller"]
    assert found["controller"].verdict is Verdict.FAILED


async def test_a_probe_that_stays_queued_on_a_full_cluster_is_told_and_cancelled(
    cluster: VirtualCluster, tmp_path: Path
):
    others = backend(cluster)
    full = shell_array("full", tmp_path, "sleep 60", count=4, gpus=8)
    await others.submit(full)
    await until(others, full, all_are(TaskState.RUNNING))
    config = config_of(*QUICK, "env.gpus=8", f"root={tmp_path}/runs")
    told: list[str] = []
    try:
        heard = await probe(config, slurm_of(cluster), patience=3, tell=told.append)
        no_job_is_left(cluster)
    finally:
        await others.cancel([full])
    assert isinstance(heard, Unheard)
    assert heard.last.state is TaskState.PENDING
    finding = judge_silence(heard, config.root)
    assert finding.verdict is Verdict.WARNING
    assert "the rest is known without it" in finding.found
    assert told[-1] == "the probe waits in the queue (next, once nodes are free)"
    assert not (tmp_path / "runs").exists()


async def test_a_self_test_that_stays_queued_is_told_and_cancelled(
    cluster: VirtualCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    held = (*QUICK, "+cluster.extra.begin=now+1hour", *toy.make_campaign_env(tmp_path))
    candidates = candidates_of(config_of(*held))
    testing = self_test(raw_of(*held), candidates, patience=2, tell=lambda _: None)
    found = await by_name(testing)
    assert list(found) == ["preflight", "self-test"]
    assert found["self-test"].verdict is Verdict.WARNING
    assert "nothing of it has moved in the queue for 2 s" in found["self-test"].found
    no_job_is_left(cluster)
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_site_and_an_environment_are_checked_by_one_command(
    cluster: VirtualCluster, tmp_path: Path
):
    arguments = [*QUICK, "llm=offline", *toy.make_campaign_env(tmp_path)]
    done = airr("check", *arguments, cwd=tmp_path, environment=cluster.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"ok +no-op .*the baseline's score to the last digit", done.stdout)
    assert re.search(r"ok +empty .*no_checkpoint", done.stdout)
    no_job_is_left(cluster)
    assert not (tmp_path / "runs").exists()


async def test_a_request_that_can_never_start_is_not_waited_for(
    cluster: VirtualCluster, tmp_path: Path
):
    # its limit is 10 minutes, one less than is asked for
    late = ("cluster.partition=narrow", "env.budget_seconds=180")
    config = config_of(*QUICK, *late, f"root={tmp_path}")
    heard = await probe(config, slurm_of(cluster, *late), patience=60, tell=lambda _: None)
    assert isinstance(heard, Unheard)
    assert heard.last.state is TaskState.UNSATISFIABLE
    assert "PartitionTimeLimit" in judge_silence(heard, config.root).found
    no_job_is_left(cluster)


async def test_a_python_that_does_not_start_on_a_node_is_told_by_its_last_words(
    cluster: VirtualCluster, tmp_path: Path
):
    broken = ("cluster.setup=['export PYTHONHOME=/nowhere']",)
    config = config_of(*QUICK, *broken, f"root={tmp_path}/runs")
    heard = await probe(config, slurm_of(cluster, *broken), patience=30, tell=lambda _: None)
    assert isinstance(heard, Unheard)
    finding = judge_silence(heard, config.root)
    assert (finding.name, finding.verdict) == ("python", Verdict.FAILED)
    assert "No module named 'encodings'" in finding.found


@pytest.fixture
def blind_node(cluster: VirtualCluster, tmp_path: Path) -> Generator[tuple[str, Path]]:
    """A node that sees an empty folder where everybody else sees the shared one."""
    node, shared = "node4", tmp_path / "shared"
    shared.mkdir()
    slurmd = cluster.daemon(f"slurmd-{node}")
    slurmd.kill()
    hide = f"mount -t tmpfs none {shared} && exec slurmd -N {node}"
    subprocess.run(
        ("unshare", "--mount", "sh", "-c", hide), env=os.environ | cluster.environment, check=True
    )
    wait_until("the node to be back", lambda: is_idle(cluster, node))
    yield node, shared
    slurmd.kill()
    slurmd.start()
    wait_until("the node to be back", lambda: is_idle(cluster, node))


def is_idle(cluster: VirtualCluster, node: str) -> bool:
    shown = cluster.run("sinfo", "-h", "-p", "gpu", "-n", node, "-o", "%t").stdout.strip()
    return shown == "idle" and cluster.daemon(f"slurmd-{node}").process() is not None


async def test_a_folder_that_a_node_does_not_see_is_told(
    cluster: VirtualCluster, blind_node: tuple[str, Path]
):
    node, shared = blind_node
    there = (f"+cluster.extra.nodelist={node}",)
    config = config_of(*QUICK, *there, f"root={shared}/runs")
    heard = await probe(config, slurm_of(cluster, *there), patience=30, tell=lambda _: None)
    assert isinstance(heard, Unheard)
    finding = judge_silence(heard, config.root)
    assert (finding.name, finding.verdict) == ("shared folder", Verdict.FAILED), finding
    assert f"ended on {node}" in finding.found
    assert "share" in finding.remedy
    assert not list(shared.iterdir())


def test_ctrl_c_cancels_the_probe_and_removes_its_files(cluster: VirtualCluster, tmp_path: Path):
    command = ("check", *QUICK, "llm=offline", "+cluster.extra.begin=now+1hour")
    with subprocess.Popen(
        (sys.executable, "-m", "airr.check", *command[1:]),
        cwd=tmp_path,
        env=os.environ | cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as checking:
        wait_until("the probe to be queued", lambda: len(jobs(cluster)) == 1)
        checking.send_signal(signal.SIGINT)
        _, errors = checking.communicate(timeout=30)
    assert checking.returncode == 130
    assert "Traceback" not in errors
    no_job_is_left(cluster)
    assert not (tmp_path / "runs").exists()


async def test_a_site_without_accounting_is_a_warning(
    cluster_without_accounting: VirtualCluster,
):
    found = await site(cluster_without_accounting)
    assert found.pop("accounting").verdict is Verdict.WARNING
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}, found
