"""What the worker does against those who write late, edit what is sealed, or take too much."""

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from airr.batch import Result
from airr.records import Reason, Stage
from airr.resources import PACKAGE
from airr.seals import broken_seal, seal
from airr.worker.train import trouble_with_time
from airr.worker.tree import size_of_folder
from tests import toy
from tests.slurm.test_ordinary_user import python_for_everyone
from tests.worker.test_task import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy.make_env(tmp_path)
    return tmp_path


def sealed(folder: Path) -> dict[str, dict[str, str]]:
    """Return the seals of a toy environment and its validation data."""
    return {str(folder / name): seal(folder / name) for name in ("env", "sealed_data")}


def test_a_run_whose_sealed_files_are_untouched_is_scored(folder: Path):
    assert run(folder, toy.tree(), toy.plan(folder, seals=sealed(folder))).metric == 2.0


def test_a_sealed_file_that_was_changed_before_the_run_is_named(folder: Path):
    plan = toy.plan(folder, seals=sealed(folder))
    (folder / "sealed_data" / "secret.txt").write_text("an easier text")
    result = run(folder, toy.tree(), plan)
    assert (result.stage, result.reason) == (Stage.TRAIN, Reason.TAMPERED)
    assert f"{folder}/sealed_data/secret.txt was changed" in result.detail


def test_a_scorer_that_is_changed_during_the_run_gives_no_score(folder: Path):
    """Where nothing shields it, a candidate may rewrite its own judge: that is seen afterwards."""
    judge = folder / "env" / "score.py"
    cheat = toy.SCORER.replace('"metric": value', '"metric": 1.0')
    rewrite = f"import pathlib\npathlib.Path({str(judge)!r}).write_text({cheat!r})\n"
    plan = toy.plan(folder, seals=sealed(folder), sandbox="none")
    result = run(folder, toy.tree(rewrite + toy.HONEST), plan)
    assert (result.stage, result.reason, result.metric) == (Stage.SCORE, Reason.TAMPERED, None)
    assert f"after the run: {judge} was changed" in result.detail


def test_a_batch_record_that_is_changed_during_the_run_gives_no_score(folder: Path):
    batch = folder / "jobs" / f"airr-{folder.name}" / "batch.json"
    edit = f"with open({str(batch)!r}, 'a') as file:\n    file.write(' ')\n"
    result = run(folder, toy.tree(edit + toy.HONEST), toy.plan(folder, sandbox="none"))
    assert (result.reason, result.metric) == (Reason.TAMPERED, None)
    assert "batch.json was changed" in result.detail


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "a").unlink(), "a is gone"),
        (lambda folder: (folder / "torch.py").touch(), "torch.py was put there"),
        (lambda folder: (folder / "a").write_text("b"), "a was changed"),
    ],
)
def test_a_seal_tells_what_is_gone_new_or_changed(tmp_path: Path, change, told: str):
    (tmp_path / "a").write_text("a")
    seals = {str(tmp_path): seal(tmp_path)}
    assert broken_seal(seals) is None
    change(tmp_path)
    assert told in (broken_seal(seals) or "")


def test_a_catalogue_and_byte_code_are_not_sealed(tmp_path: Path):
    for name in ("catalogue/idea.yaml", "sealed/__pycache__/x.pyc", "x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(seal(tmp_path)) == ["x.py"]


def test_a_checkpoint_written_after_the_deadline_counts_as_not_saved(tmp_path: Path):
    checkpoint = tmp_path / "checkpoint.pt"
    deadline, unix = time.monotonic(), time.time()
    time.sleep(0.1)
    checkpoint.touch()
    os.utime(checkpoint, (0, 0))  # its modification time is the candidate's to choose
    trouble = trouble_with_time(checkpoint, deadline, unix)
    assert trouble is not None
    assert trouble.reason is Reason.OVER_BUDGET
    assert "counts as not saved" in trouble.detail
    assert trouble_with_time(checkpoint, deadline + 10, unix + 10) is None
    set_back_since = unix + 3600
    assert trouble_with_time(checkpoint, deadline, set_back_since) is None


def test_a_checkpoint_below_a_link_out_of_the_output_is_a_bad_one(folder: Path):
    """A link in the middle of the path is no better than one at its end."""
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "checkpoint.txt").write_text("1.0")
    train = (
        f"import os\nos.symlink({str(folder / 'elsewhere')!r}, os.environ['AIRR_OUT'] + '/saved')"
    )
    result = run(folder, toy.tree(train), toy.plan(folder, checkpoint="saved/checkpoint.txt"))
    assert (result.reason, result.metric) == (Reason.BAD_CHECKPOINT, None)


def test_processes_over_the_limit_end_the_run(folder: Path):
    bomb = (
        "import os, time\n"
        "for _ in range(1400):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(300)\n"
        "time.sleep(300)\n"
    )
    plan = toy.plan(folder, budget_seconds=60.0, memory_gb=8.0)
    result = run(folder, toy.tree(bomb), plan)
    assert (result.stage, result.reason) == (Stage.TRAIN, Reason.TOO_MANY_PROCESSES)
    assert result.train_seconds < 30


@pytest.mark.parametrize("place", ["/dev/shm", "/tmp"])
def test_a_folder_in_memory_is_no_larger_than_the_memory_limit(folder: Path, place: str):
    hoard = (
        f"with open('{place}/hoard', 'wb') as file:\n"
        "    for _ in range(300):\n"
        "        file.write(bytes(1_000_000))\n"
    )
    plan = toy.plan(folder, memory_gb=0.1, disk_gb=1.0)
    assert run(folder, toy.tree(hoard), plan).reason is Reason.DISK_FULL


@pytest.mark.parametrize("place", ["os.environ['HOME']", "os.getcwd()"])
def test_files_count_wherever_the_candidate_can_write(folder: Path, place: str):
    hoard = (
        "import os, time\n"
        "for number in range(80):\n"
        f"    open(os.path.join({place}, str(number)), 'wb').write(bytes(1_000_000))\n"
        "time.sleep(300)\n"
    )
    plan = toy.plan(folder, budget_seconds=30.0)
    assert run(folder, toy.tree(hoard), plan).reason is Reason.DISK_FULL


def test_measuring_a_folder_never_takes_longer_than_it_may(tmp_path: Path):
    for number in range(2000):
        (tmp_path / str(number)).touch()
    now = time.monotonic()
    assert size_of_folder(tmp_path, enough=10**9, until=now + 60) == 2000 * 512
    assert size_of_folder(tmp_path, enough=5000, until=now + 60) < 10_000
    assert size_of_folder(tmp_path, enough=10**9, until=now) == 0


def test_validation_data_below_what_is_shown_is_masked(folder: Path):
    spy = (
        "import os\n"
        f"print(os.listdir({str(folder)!r}), os.listdir({str(folder / 'sealed_data')!r}))\n"
    )
    plan = toy.plan(folder, train_data=str(folder))
    result = run(folder, toy.tree(spy + toy.HONEST), plan)
    assert result.metric == 2.0
    assert "'train_data'" in result.log_tail
    assert "secret.txt" not in result.log_tail


def test_library_modules_that_validation_text_was_cut_from_are_hidden(folder: Path):
    (folder / "sealed_data" / "hidden.txt").write_text("ftplib.py\nwsgiref\n")
    spy = (
        "import importlib, pathlib, sysconfig\n"
        "for name in ('ftplib', 'wsgiref.util'):\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ImportError as error:\n"
        "        print('refused:', error)\n"
        "names = ('ftplib', 'simple_server')\n"
        "roots = [sysconfig.get_path('stdlib'), *pathlib.Path('/usr/lib').glob('python3*')]\n"
        "for path in [p for r in roots for p in pathlib.Path(r).rglob('*')]:\n"
        "    # type checkers bring stubs of the library, .pyi, which hold none of its text\n"
        "    if path.suffix in ('.py', '.pyc') and path.name.split('.')[0] in names:\n"
        "        print('found:', b'FTP' in path.read_bytes(), b'WSGI' in path.read_bytes())\n"
    )
    log = run(folder, toy.tree(spy + toy.HONEST), toy.plan(folder)).log_tail
    assert log.count("refused:") == 2
    assert "True" not in log


def test_the_worker_and_its_sandbox_need_no_root():
    """An ordinary user, by a real bubblewrap: the candidate trains, and sees what it may see."""
    folder = Path(f"/tmp/airr-sealing-{os.getpid()}")
    everyone = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
    try:
        toy.make_env(folder)
        spy = (
            "import os\n"
            f"print('hidden', not os.path.exists({str(folder / 'sealed_data')!r}), os.getuid())\n"
        )
        batch = toy.write_batch(folder, toy.tree(spy + toy.HONEST), toy.plan(folder))
        for path in (folder, *folder.rglob("*")):
            path.chmod(everyone)
        done = subprocess.run(
            (python_for_everyone(), "-m", "airr.worker", str(batch), "0"),
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(PACKAGE.parent),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": str(folder),
            },
            cwd="/",
            user="nobody",
            group="nogroup",
            extra_groups=(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = folder / "inbox" / "e00-i000.r0.a0.json"
        result = Result.from_json(found.read_bytes())
        assert (result.metric, found.owner()) == (2.0, "nobody"), result
        assert "hidden True 65534" in result.log_tail
    finally:
        shutil.rmtree(folder)
