"""A user without privileges drives Slurm as root does."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

from airr.resources import PACKAGE
from tests.slurm.cluster import VirtualCluster


def test_an_ordinary_user_submits_and_surveys(cluster: VirtualCluster):
    folder = Path(f"/tmp/airr-nobody-{os.getpid()}")
    folder.mkdir()
    folder.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    try:
        done = subprocess.run(
            (python_for_everyone(), "-m", "tests.slurm.ordinary_user", str(folder)),
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{PACKAGE.parent}:{sysconfig.get_path('purelib')}",
                "PYTHONDONTWRITEBYTECODE": "1",
                **cluster.environment,
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
        assert done.stdout.split() == ["completed", "completed"], done.stderr
        assert {path.owner() for path in folder.glob("*.log")} == {"nobody"}
    finally:
        shutil.rmtree(folder)


def python_for_everyone() -> str:
    """Return this Python, or the system's where this one lies in a closed home."""
    try:
        subprocess.run((sys.executable, "-c", ""), user="nobody", check=True)
    except PermissionError:
        return "/usr/bin/python3"
    return sys.executable
