"""The grpo environment as its users run it: prepare, train and score as real processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airr.resources import resource
from tests.envs import nanogpt
from tests.envs.nanogpt import DATA_FOLDERS, finish, modules

FOLDER = resource("envs") / "grpo"
CODEBASE = FOLDER / "codebase"
SEALED = FOLDER / "sealed"
SETTINGS = nanogpt.settings("grpo_tiny")


def prepare(root: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the preparation into folders below `root` that have the names of the spec's keys."""
    spec = {name: str(root / name) for name in DATA_FOLDERS} | {"settings": settings}
    path = root / "spec.json"
    path.write_text(json.dumps(spec))
    argv = [sys.executable, "-B", str(FOLDER / "prepare.py"), str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def candidate(folder: Path, files: Mapping[str, str]) -> Path:
    """Return a copy of the codebase in which these files are replaced."""
    shutil.copytree(CODEBASE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def edited(name: str, old: str, new: str) -> dict[str, str]:
    """Return a file of the codebase with one passage replaced."""
    text = (CODEBASE / name).read_text()
    assert text.count(old) == 1, f"{name} does not hold {old!r} once"
    return {name: text.replace(old, new)}


def train(
    out: Path,
    data: Path,
    *,
    codebase: Path = CODEBASE,
    processes: int = 1,
    seconds: float = 120,
    **variables: str,
) -> str:
    """Train at the tiny scale to the end and return what was printed."""
    out.mkdir(exist_ok=True)
    given = {"AIRR_SEED": "0", "AIRR_DATA": str(data), "AIRR_OUT": str(out)}
    path = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    process = subprocess.Popen(
        [sys.executable, *(launch if processes > 1 else []), "train.py"],
        cwd=codebase,
        env={**path, **SETTINGS.train.environment, **given, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return finish(process, seconds)


def spec(checkpoint: Path, sealed_data: Path, **changes: Any) -> dict[str, Any]:
    """Return what a worker tells the scorer; `changes` are to its settings."""
    return {
        "codebase": str(CODEBASE),
        "output": str(checkpoint.parent),
        "checkpoint": str(checkpoint),
        "sealed_data": str(sealed_data),
        "report": str(checkpoint.with_name("report.json")),
        "candidate": [],
        "python": sys.executable,
        "seed": 0,
        "gpus": 0,
        "seconds": 120.0,
        "settings": SETTINGS.score_settings | changes,
    }


def score(checkpoint: Path, sealed_data: Path, **changes: Any) -> dict[str, Any]:
    """Run the sealed scorer as a worker does, and return its report."""
    given = spec(checkpoint, sealed_data, **changes)
    path = checkpoint.with_name("score.json")
    path.write_text(json.dumps(given))
    argv = [sys.executable, "-B", str(SEALED / "score.py"), str(path)]
    environment = {"PATH": os.environ["PATH"], **SETTINGS.score.environment}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return json.loads(Path(given["report"]).read_text())


__all__ = [
    "CODEBASE",
    "FOLDER",
    "SEALED",
    "SETTINGS",
    "candidate",
    "edited",
    "finish",
    "modules",
    "prepare",
    "score",
    "spec",
    "train",
]
