"""One array task as a real process: whatever a candidate does ends as the right result."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from airr.batch import Plan, Result
from airr.executor.codebases import Tree
from airr.nodelocal import node_folder
from airr.records import Reason, Stage
from airr.worker import task
from airr.worker.stop import Stop
from tests import toy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.make_env(tmp_path)
    return tmp_path


@pytest.fixture(params=["bubblewrap", "none"])
def sandbox(request: pytest.FixtureRequest) -> str:
    return request.param


def start(batch_file: Path, **added: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airr.worker", str(batch_file), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "ANTHROPIC_API_KEY": "sk-secret", **added},
    )


def run(folder: Path, codebase: Tree, plan: Plan, name: str | None = None, **added: str) -> Result:
    """Run one candidate through a real worker and return its result."""
    batch_file = toy.write_batch(folder, codebase, plan, name or f"airr-{folder.name}")
    with start(batch_file, **added) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    result = Result.from_json((folder / "inbox" / "e00-i000.r0.a0.json").read_bytes())
    assert not list(node_folder().glob(f"{batch_file.parent.name}*")), "something was left behind"
    return result


def test_an_honest_candidate_is_scored(folder: Path, sandbox: str):
    result = run(folder, toy.tree(value=1.75), toy.plan(folder, sandbox=sandbox))
    assert (result.metric, result.standard_error, result.reason) == (1.75, 0.01, None)
    assert result.scorer_version == "toy"
    assert "training" in result.log_tail
    assert 0 < result.train_seconds < 5


HOSTILE = {
    Reason.CRASH: "raise RuntimeError('this goes wrong')",
    Reason.NO_CHECKPOINT: "print('nothing to save')",
    Reason.OVER_BUDGET: "import time; time.sleep(600)",
    Reason.OOM: "x = bytearray(700_000_000); import time; time.sleep(600)",
    Reason.DISK_FULL: (
        "import os\n"
        "for n in range(600):\n"
        "    open(f\"{os.environ['AIRR_OUT']}/{n}\", 'wb').write(bytes(1_000_000))\n"
        "import time; time.sleep(600)"
    ),
    Reason.TOO_LARGE: (
        "import os\nopen(os.environ['AIRR_OUT'] + '/checkpoint.txt', 'wb').write(bytes(2_000_000))"
    ),
    Reason.BAD_CHECKPOINT: (
        "import os\nos.symlink('/etc/passwd', os.environ['AIRR_OUT'] + '/checkpoint.txt')"
    ),
}


@pytest.mark.parametrize("reason", HOSTILE, ids=str)
def test_each_way_to_fail_ends_with_its_own_reason(folder: Path, reason: Reason, sandbox: str):
    plan = toy.plan(folder, sandbox=sandbox, budget_seconds=4.0)
    result = run(folder, toy.tree(HOSTILE[reason]), plan)
    assert (result.stage, result.reason) == (Stage.TRAIN, reason), result.detail
    assert result.metric is None


def test_a_file_over_the_limit_is_refused_to_its_writer(folder: Path):
    train = "import os\nopen(os.environ['AIRR_OUT'] + '/big', 'wb').write(bytes(80_000_000))"
    result = run(folder, toy.tree(train), toy.plan(folder))
    assert result.reason is Reason.DISK_FULL


def test_what_was_saved_before_the_deadline_counts(folder: Path):
    late = toy.HONEST + "import time; time.sleep(600)\n"
    result = run(folder, toy.tree(late), toy.plan(folder, budget_seconds=2.0))
    assert result.metric == 2.0
    assert 2.0 <= result.train_seconds < 4.0


def test_no_process_outlives_its_run_whatever_it_does_to_get_away(folder: Path, sandbox: str):
    marker = f"airr-escape-{folder.name}-{sandbox}"
    escape = (
        "import os, subprocess, sys\n"
        f"code = 'import time; time.sleep(300)  # {marker}'\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
        "    os._exit(0)\n"
    )
    result = run(folder, toy.tree(escape + toy.HONEST), toy.plan(folder, sandbox=sandbox))
    assert result.metric == 2.0
    assert not [p.pid for p in psutil.process_iter(["cmdline"]) if marker in str(p.info["cmdline"])]


def test_an_api_key_never_reaches_a_candidate(folder: Path, sandbox: str):
    spy = "import os; print(sorted(os.environ)); print(open('/proc/self/environ').read())\n"
    result = run(folder, toy.tree(spy + toy.HONEST), toy.plan(folder, sandbox=sandbox))
    assert "AIRR_SEED" in result.log_tail
    assert "sk-secret" not in result.log_tail


def test_a_library_outside_of_the_interpreter_can_be_imported(folder: Path, sandbox: str):
    (library := folder / "user" / "site-packages").mkdir(parents=True)
    (library / "of_the_user.py").touch()
    codebase = toy.tree(f"import of_the_user\n{toy.HONEST}")
    plan = toy.plan(folder, sandbox=sandbox)
    assert run(folder, codebase, plan, PYTHONPATH=str(library)).metric == 2.0


def test_a_shielded_candidate_sees_neither_validation_data_nor_campaign(folder: Path):
    hidden = [str(folder / "sealed_data"), str(folder / "inbox"), "/home"]
    spy = (
        "import os, pathlib\n"
        f"for path in {hidden!r}:\n"
        "    print(path, os.path.exists(path))\n"
        f"print(pathlib.Path({str(folder / 'train_data')!r}, 'data.txt').read_text())\n"
    )
    result = run(folder, toy.tree(spy + toy.HONEST), toy.plan(folder))
    assert [f"{path} False" in result.log_tail for path in hidden] == [True] * 3
    assert "the training data" in result.log_tail


def test_a_codebase_that_differs_from_its_hash_does_not_run(folder: Path):
    batch_file = toy.write_batch(folder, toy.tree(), toy.plan(folder), "airr-tampered")
    archive = folder / "airr-tampered.zip"
    archive.write_bytes(archive.read_bytes() + b" ")
    with start(batch_file) as process:
        process.communicate(timeout=60)
    result = Result.from_json((folder / "inbox" / "e00-i000.r0.a0.json").read_bytes())
    assert result.reason is Reason.TAMPERED


def test_a_run_whose_record_the_head_has_filed_away_is_not_run_again(folder: Path):
    """Slurm may start a task once more of which some runs are over, as after a preemption."""
    batch_file = toy.write_batch(folder, toy.tree(), toy.plan(folder), "airr-filed")
    (batch_file.parent / "e00-i000.r0.a0.json").touch()
    with start(batch_file) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert not list((folder / "inbox").iterdir())


def test_a_node_without_the_gpus_that_a_run_takes_is_at_fault(folder: Path):
    result = run(folder, toy.tree(), toy.plan(folder, gpus=2), CUDA_VISIBLE_DEVICES="3")
    assert (result.stage, result.reason) == (Stage.TRAIN, Reason.NODE_FAIL)
    assert result.detail == "the run takes 2 GPUs, and the node has 1 for it"


def test_the_scorer_keeps_to_the_gpus_of_its_run(folder: Path):
    scorer = toy.SCORER.replace("import", "import os,", 1).replace(
        "value = ", "value = float(os.environ['CUDA_VISIBLE_DEVICES']) + 0 * ", 1
    )
    (folder / "env" / "score.py").write_text(scorer)
    assert run(folder, toy.tree(), toy.plan(folder), CUDA_VISIBLE_DEVICES="3").metric == 3.0


def test_a_scorer_that_fails_is_not_the_ideas_fault(folder: Path):
    (folder / "env" / "score.py").write_text("raise SystemExit('the scorer is broken')")
    result = run(folder, toy.tree(), toy.plan(folder))
    assert (result.stage, result.reason) == (Stage.SCORE, Reason.SCORER_ERROR)
    assert "the scorer is broken" in result.detail


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGTERM, "preempted"), (signal.SIGUSR1, "timeout"), (signal.SIGINT, None)],
    ids=["SIGTERM", "SIGUSR1", "SIGINT"],
)
def test_a_worker_that_is_told_to_stop_leaves_no_process_and_says_so(
    folder: Path, number: int, reason: str | None
):
    """SIGTERM is a scheduler taking its node back, and recorded; SIGINT is the head's own.

    SIGUSR1 comes before the job's time limit.
    """
    marker = f"airr-stopped-{folder.name}"
    train = f"import time; print('{marker}', flush=True); time.sleep(300)"
    plan = toy.plan(folder, budget_seconds=100.0)
    batch_file = toy.write_batch(folder, toy.tree(train), plan, marker)
    with start(batch_file) as process:
        wait_for_training(batch_file.parent / "e00-i000.r0.a0.alive", process.pid)
        process.send_signal(number)
        process.communicate(timeout=30)
    found = folder / "inbox" / "e00-i000.r0.a0.json"
    assert (json.loads(found.read_text())["reason"] if found.exists() else None) == reason
    assert not list(node_folder().glob(f"{marker}*"))


def test_a_killed_worker_takes_its_candidate_with_it(folder: Path, sandbox: str):
    plan = toy.plan(folder, budget_seconds=100.0, sandbox=sandbox)
    batch_file = toy.write_batch(folder, toy.tree("import time; time.sleep(300)"), plan, "airr-k9")
    with start(batch_file) as process:
        wait_for_training(batch_file.parent / "e00-i000.r0.a0.alive", process.pid)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert gone
    assert not alive


def test_of_two_workers_of_one_run_only_one_trains(folder: Path):
    """Slurm may start a job twice; both come to the same node at worst."""
    train = "open('count.txt', 'a').write('x'); import time; time.sleep(2)\n" + toy.HONEST
    batch_file = toy.write_batch(folder, toy.tree(train), toy.plan(folder), "airr-twice")
    began = time.monotonic()
    with start(batch_file) as first, start(batch_file) as second:
        first.communicate(timeout=30)
        second.communicate(timeout=30)
    assert time.monotonic() - began < 6
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(list((folder / "inbox").iterdir())) == 1


def test_a_run_whose_result_the_head_has_filed_away_is_not_run_again(folder: Path):
    """As a second copy of its array would, or a job that Slurm starts twice."""
    batch_file = toy.write_batch(folder, toy.tree(), toy.plan(folder), "airr-filed")
    with start(batch_file) as first:
        first.communicate(timeout=60)
    found = folder / "inbox" / "e00-i000.r0.a0.json"
    found.rename(batch_file.parent / found.name)
    with start(batch_file) as second:
        second.communicate(timeout=60)
    assert second.returncode == 0
    assert not found.exists()


def test_a_run_that_was_stopped_begins_afresh_when_it_is_put_back_into_the_queue(folder: Path):
    batch_file = toy.write_batch(folder, toy.tree(value=1.75), toy.plan(folder), "airr-again")
    found = folder / "inbox" / "e00-i000.r0.a0.json"
    with start(batch_file) as first:
        first.communicate(timeout=60)
    result = Result.from_json(found.read_bytes())
    found.write_text(stopped(result).to_json())
    with start(batch_file) as second:
        second.communicate(timeout=60)
    assert Result.from_json(found.read_bytes()).metric == 1.75


def stopped(result: Result) -> Result:
    """Return what the worker records where it was told to stop."""
    return replace(result, metric=None, stage=Stage.TRAIN, reason=Reason.PREEMPTED)


def test_many_workers_at_once_leave_each_other_alone(folder: Path):
    """Each sweeps the node's folder of what the killed have left, and of nothing else."""
    plan = toy.plan(folder, budget_seconds=30.0)
    batch_file = toy.write_batch(folder, toy.tree(), plan, "airr-many", count=12)
    left_behind = node_folder() / "airr-killed-long-ago"
    left_behind.mkdir(exist_ok=True)
    workers = [
        subprocess.Popen([sys.executable, "-m", "airr.worker", str(batch_file), str(index)])
        for index in range(12)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 12
    results = [Result.from_json(path.read_bytes()) for path in (folder / "inbox").iterdir()]
    assert [result.metric for result in results] == [2.0] * 12
    assert not left_behind.exists()


def wait_for_training(heartbeat: Path, worker: int) -> None:
    """Wait until a worker has its candidate running."""
    deadline = time.monotonic() + 20
    while not (heartbeat.exists() and psutil.Process(worker).children(recursive=True)):
        assert time.monotonic() < deadline, "the worker did not start its candidate"
        time.sleep(0.05)
    time.sleep(0.5)


def test_a_result_waits_for_a_disk_that_does_not_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Here its folder is not there at first; the second time it never comes."""
    monkeypatch.setattr(task, "RETRY_SECONDS", 0.05)
    record, stop = tmp_path / "inbox" / "x.json", Stop()
    threading.Timer(0.3, record.parent.mkdir).start()
    task._leave(b"{}", record, stop)
    assert record.read_bytes() == b"{}"
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(FileNotFoundError):
        task._leave(b"{}", tmp_path / "nowhere" / "x.json", stop)


def test_a_log_that_cannot_be_kept_loses_no_result(folder: Path):
    batch_file = toy.write_batch(folder, toy.tree(), toy.plan(folder, sandbox="none"))
    (batch_file.parent / "e00-i000.r0.a0.log").mkdir()
    subprocess.run([sys.executable, "-m", "airr.worker", str(batch_file), "0"], check=True)
    result = Result.from_json((folder / "inbox" / "e00-i000.r0.a0.json").read_bytes())
    assert result.metric == 2.0
