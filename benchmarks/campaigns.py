"""Campaigns of airr in processes of their own, for benchmarks that run real ones."""

from __future__ import annotations

import subprocess
import sys


def airr(verb: str, *arguments: str) -> None:
    """Run `python -m airr.VERB` to its end, quietly.

    Raises:
        CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", f"airr.{verb}", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
