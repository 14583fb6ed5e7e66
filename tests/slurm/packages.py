"""The Debian packages of a virtual cluster, installed where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
CLUSTER = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
}
ACCOUNTING = {"slurmdbd": "slurmdbd slurm-wlm-mysql-plugin", "mariadbd": "mariadb-server"}
POLICY = Path("/usr/sbin/policy-rc.d")


def install_packages(*, accounting: bool) -> None:
    """Install whatever is missing, without letting any of it start a daemon of its own."""
    os.environ["PATH"] += f":{SBIN}"
    programs = CLUSTER | (ACCOUNTING if accounting else {})
    missing = [
        package
        for program, packages in programs.items()
        if not shutil.which(program)
        for package in packages.split()
    ]
    if missing:
        install(missing)


def install(packages: Sequence[str]) -> None:
    """Install Debian packages, without letting any of them start a daemon of its own."""
    if not POLICY.exists():
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(("apt-get", "update", "-qq"), env=environment, check=False)
    subprocess.run(
        ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages),
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
