"""The nanogpt environment as its users run it: prepare, train and score as real processes."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from omegaconf import OmegaConf

from airr.config import Env
from airr.parsing import parse
from airr.resources import resource

FOLDER = resource("envs") / "nanogpt"
CODEBASE = FOLDER / "codebase"
SEALED = FOLDER / "sealed"
DATA_FOLDERS = ("train_data", "sealed_data", "preflight_train", "preflight_sealed")


def settings(name: str = "nanogpt_tiny") -> Env:
    """Return the environment's settings as a campaign reads them."""
    raw: Any = OmegaConf.to_container(OmegaConf.load(resource("conf") / "env" / f"{name}.yaml"))
    return parse(Env, raw, at="env.")


def prepare(root: Path, source: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the preparation into folders below `root` that have the names of the spec's keys."""
    argv = preparing(root, source, **settings)
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def preparing(root: Path, source: str, **settings: Any) -> list[str]:
    """Return the command that prepares with these settings."""
    folders = {name: str(root / name) for name in DATA_FOLDERS}
    path = root / "spec.json"
    path.write_text(json.dumps(folders | {"settings": {"source": source, **settings}}))
    return [sys.executable, "-B", str(FOLDER / "prepare.py"), str(path)]


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


def start_training(
    out: Path, data: Path, *, codebase: Path = CODEBASE, processes: int = 1, **variables: str
) -> subprocess.Popen[str]:
    """Start training at the tiny scale; `variables` are added to its environment."""
    out.mkdir(exist_ok=True)
    given = {"AIRR_SEED": "0", "AIRR_DATA": str(data), "AIRR_OUT": str(out)}
    path = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [sys.executable, *(launch if processes > 1 else []), "train.py"],
        cwd=codebase,
        env={**path, **settings().train.environment, **given, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def train(out: Path, data: Path, **options: Any) -> str:
    """Train to the end and return what was printed."""
    return finish(start_training(out, data, **options))


def finish(process: subprocess.Popen[str], seconds: float = 60) -> str:
    """Wait for training to succeed and return what it printed; nothing of it is left running."""
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        # torchrun puts its workers into sessions of their own: the tree is killed, not the group
        for each in (*psutil.Process(process.pid).children(recursive=True), process):
            each.kill()
        process.communicate()
        raise
    assert process.returncode == 0, printed
    return printed


def score(
    checkpoint: Path,
    sealed_data: Path,
    *,
    codebase: Path = CODEBASE,
    seconds: float = 90.0,
    **asked: Any,
) -> dict[str, Any]:
    """Run the sealed scorer and return its report; `asked` are settings that differ."""
    report = checkpoint.with_name("report.json")
    spec = {
        "codebase": str(codebase),
        "output": str(checkpoint.parent),
        "checkpoint": str(checkpoint),
        "sealed_data": str(sealed_data),
        "report": str(report),
        "candidate": [],
        "python": sys.executable,
        "seed": 0,
        "gpus": 0,
        "seconds": seconds,
        "settings": {**settings().score_settings, **asked},
    }
    path = checkpoint.with_name("score.json")
    path.write_text(json.dumps(spec))
    argv = [sys.executable, "-B", str(SEALED / "score.py"), str(path)]
    environment = {"PATH": os.environ["PATH"], **settings().score.environment}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return json.loads(report.read_text())


@contextmanager
def modules(folder: Path, *names: str) -> Generator[tuple[Any, ...]]:
    """Import modules from a folder of scripts, and forget them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield tuple(importlib.import_module(name) for name in names)
    finally:
        sys.dont_write_bytecode = keep
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            path = getattr(sys.modules[name], "__file__", None)
            if path and Path(path).parent == folder:
                del sys.modules[name]
