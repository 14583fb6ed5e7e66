"""The probe on a node: looks around as a worker would, and tells the head through one file.

python -m airr.checks.probe FOLDER INDEX
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from airr.batch import Batch, Plan
from airr.checks.probe_report import (
    ANSWER_SECONDS,
    BATCH,
    ECHO,
    REPORT,
    SEEN,
    TOKEN,
    ProbeReport,
    StepSeen,
    TorchSeen,
)
from airr.nodelocal import lock, node_folder
from airr.worker.launch import srun_command
from airr.worker.sandbox import View, bubblewrap_works, candidate_environment, shield
from airr.workspace import names_in, write_atomically

LOOK_SECONDS = 0.05
TORCH_SECONDS = 180
"""`import torch` from a cold shared folder can take a minute."""

TORCH_PROGRAM = """\
import json, torch
gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
names = [f"{gpu.name} {gpu.total_memory / 1e9:.0f} GB" for gpu in gpus]
print(json.dumps({"version": torch.__version__, "gpus": names}))
"""

STEP_SECONDS = 120
STEP_PROGRAM = """\
import os, sys
print("sees" if os.path.exists(sys.argv[1]) else "blind", os.environ["SLURMD_NODENAME"])
"""

SECRET = re.compile(
    r"(^|_)(API_?KEY|ACCESS_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE
)
CGROUP_LIMITS = (
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
)


def main() -> None:
    """Look around, report, and wait for the head to have seen it."""
    folder = Path(sys.argv[1])
    report = look_around(folder, Batch.from_json((folder / BATCH).read_bytes()))
    write_atomically(folder / REPORT, report.to_json().encode())
    give_up_at = time.monotonic() + ANSWER_SECONDS
    while SEEN not in names_in(folder):
        if time.monotonic() > give_up_at:
            return
        time.sleep(LOOK_SECONDS)
    write_atomically(folder / ECHO, json.dumps({"seen_at": time.time()}).encode())


def look_around(folder: Path, batch: Batch) -> ProbeReport:
    """Return everything that the head wants to know, the time last."""
    plan = batch.plan
    has_sandbox = plan.sandbox == "bubblewrap" and bubblewrap_works()
    scratch = Path("(none)")
    free, trouble, shielded = 0, "", None
    try:
        with _scratch(batch.name) as scratch:
            free = shutil.disk_usage(scratch).free
            if has_sandbox:
                shielded = look_at_torch(_shielded(scratch, plan))
    except OSError as error:
        trouble = str(error)
    folders = (plan.env_folder, plan.train_data, plan.sealed_data)
    return ProbeReport(
        node=os.environ.get("SLURMD_NODENAME") or platform.node(),
        job_id=os.environ.get("SLURM_ARRAY_JOB_ID", ""),
        token_sha256=hashlib.sha256((folder / TOKEN).read_bytes()).hexdigest(),
        rename_trouble=_rename_trouble(folder),
        unseen_folders=tuple(path for path in folders if not Path(path).is_dir()),
        step=_look_from_steps(folder / TOKEN, plan) if "SLURM_JOB_ID" in os.environ else None,
        airr_version=version("airr"),
        python_version=platform.python_version(),
        torch=shielded if shielded and not shielded.trouble else look_at_torch(()),
        torch_in_sandbox=shielded,
        has_sandbox=has_sandbox,
        scratch=str(scratch),
        scratch_trouble=trouble,
        scratch_free_bytes=free,
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=memory_bytes(),
        secrets=secrets_in(os.environ),
        written_at=time.time(),
    )


def look_at_torch(prefix: Sequence[str]) -> TorchSeen:
    """Return what torch sees in a process behind an argv prefix."""
    began = time.monotonic()
    argv = (*prefix, sys.executable, "-c", TORCH_PROGRAM)
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=TORCH_SECONDS, check=False
        )
        said = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        return TorchSeen(trouble=f"import torch took longer than {TORCH_SECONDS} s")
    except (OSError, ValueError, IndexError) as error:
        return TorchSeen(trouble=f"python could not be asked: {error}")
    if said is None:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        return TorchSeen(trouble=last[0])
    seconds = time.monotonic() - began
    return TorchSeen(version=said["version"], gpus=tuple(said["gpus"]), seconds=seconds)


def _look_from_steps(file: Path, plan: Plan) -> StepSeen:
    """Start a step on every node of the job, as a training does, and see who sees a file."""
    step = (sys.executable, "-c", STEP_PROGRAM, str(file))
    try:
        argv = srun_command(plan, step, os.environ)
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=STEP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return StepSeen(trouble=f"srun started nothing in {STEP_SECONDS} s")
    except OSError as error:
        return StepSeen(trouble=f"srun cannot be started: {error}")
    if done.returncode:
        return StepSeen(trouble=" / ".join(done.stderr.strip().splitlines()[-2:]))
    said = [line.split() for line in done.stdout.splitlines()]
    return StepSeen(nodes=tuple(sorted(node for sight, node in said if sight == "sees")))


def secrets_in(names: Iterable[str]) -> tuple[str, ...]:
    """Return those names of variables that keys and passwords have, sorted."""
    return tuple(sorted(name for name in names if SECRET.search(name)))


def memory_bytes() -> int:
    """Return what this job may use: the machine's memory, or the least that a cgroup allows."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *_cgroup_limits()])


def _cgroup_limits() -> list[int]:
    found: list[int] = []
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        place = line.split(":", 2)[-1].strip("/")
        for root, name in CGROUP_LIMITS:
            group = Path(root) / place
            for folder in (group, *group.parents):
                limit = folder / name
                if folder.is_relative_to(root) and limit.is_file():
                    found += [int(text) for text in limit.read_text().split() if text.isdecimal()]
    return found


def _rename_trouble(folder: Path) -> str:
    """Return why a file cannot be replaced at one instant, as every record is; "" if it can."""
    path = folder / "replaced"
    try:
        for word in (b"before", b"after"):
            write_atomically(path, word)
        found = path.read_bytes()
    except OSError as error:
        return str(error)
    return "" if found == b"after" else f"a file that was replaced still reads {found!r}"


@contextmanager
def _scratch(name: str) -> Generator[Path]:
    """Hold a folder on the node's own disk under a lock, as a worker's scratch is.

    Raises:
        OSError: this node's disk takes no folder, or no lock.
    """
    with lock(name) as mine:
        if not mine:
            raise OSError(f"another process holds the lock {name}")
        folder = node_folder() / name
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _shielded(home: Path, plan: Plan) -> tuple[str, ...]:
    """Return the prefix that shows a process what a candidate's training sees, data left out."""
    view = View(
        readable=(),
        writable=(str(home),),
        folder=str(home),
        environment=candidate_environment(os.environ, {}, home=str(home)),
        memory_bytes=1 << 30,
        gpus=plan.gpus,
        network=False,
    )
    return shield(plan.sandbox, view)


if __name__ == "__main__":
    main()
