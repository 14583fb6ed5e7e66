"""Campaigns of airr in processes of their own, for benchmarks that run real ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def airr(verb: str, *arguments: str) -> None:
    """Run `python -m airr.VERB` to its end, quietly.

    Raises:
        CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", f"airr.{verb}", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def finished(verb: str, root: Path, name: str, *settings: str) -> Path:
    """Take a campaign to its end, from where it stands, and return its folder.

    Raises:
        CalledProcessError: it failed.
    """
    place = (f"root={root}", f"data={root / 'data'}", f"campaign={name}")
    airr(verb, *settings, *place, "wandb.mode=disabled")
    return root / name
