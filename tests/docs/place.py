"""A folder as it is after the README's first commands, on a machine that may be a login node.

The data of every environment lies in `data/` as far as a start looks at it, and campaigns stand in
`runs/` that have their charters and a small ledger. Slurm's commands answer as a quiet site does.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from airr.charter import Charter
from airr.composition import compositions
from airr.parsing import parse_config
from airr.policy.checkpoints import new_checkpoint
from airr.start import hashes_of
from airr.workspace import Workspace
from tests.docs.markdown import ROOT
from tests.reporting.ledgers import small

ENVIRONMENTS = sorted(path.stem for path in (ROOT / "conf" / "env").glob("*.yaml"))
SLURM = {
    "sbatch": "echo 'sbatch: Job 7 to start at 2026-01-01T00:00:00 using 8 processors' >&2",
    "scontrol": "echo 'MaxArraySize = 1001'; echo 'AccountingStorageType = accounting/slurmdbd'",
    "squeue": "",
    "sacct": "",
    "scancel": "",
    "sinfo": "",
    "srun": "",
}
"""What each of Slurm's commands does: `sbatch --test-only` takes everything."""
POLICIES = ["catalogue-nanogpt", "qwen3_30b_a3b"]
"""Models that airr.rl may begin with."""
CAMPAIGNS = {
    "nanogpt_tiny-evolution-s0": (),
    "mine": (),
    "a": (),
    "b": ("seed=1",),
    "nanogpt_small-evolution-s0": ("env=nanogpt_small",),
    "example-evolution-s0": ("env=example",),
}
"""Campaigns that were run before, with what else than the defaults."""
PUBLISHED = {
    "ideator_model": "m",
    "executor_model": "m",
    "env": "nanogpt_tiny",
    "epoch": 0,
    "idea": "[Experiment] Train longer.",
    "code_diff": None,
    "result": {"loss": 2.1},
}
"""An idea of other people's."""
IDEAS = """[Experiment] Let the second moment forget more slowly.
[Code Changes] A larger beta2.
Recipe: beta2_slow()
[End]
"""


@dataclass(frozen=True)
class Place:
    """The folder, and where Slurm's commands lie that a login node has."""

    folder: Path
    slurm: Path

    @classmethod
    def make(cls, folder: Path) -> Place:
        """Make everything below a folder."""
        place = cls(folder / "work", folder / "slurm")
        place.slurm.mkdir(parents=True)
        for name, answer in SLURM.items():
            (place.slurm / name).write_text(f"#!/bin/sh\n{answer}\n")
            (place.slurm / name).chmod(0o755)
        for name in ENVIRONMENTS:
            for part in ("train", "sealed", "preflight_train", "preflight_sealed"):
                kept = place.folder / "data" / name / part / "kept.txt"
                kept.parent.mkdir(parents=True)
                kept.write_text(name)
        for name in POLICIES:
            with new_checkpoint(place.folder / "data" / "policies" / name) as model:
                (model / "config.json").write_text("{}")
        for name, overrides in CAMPAIGNS.items():
            place._campaign(name, *overrides)
        for name in ("sbatch", "analysis", "Makefile"):
            (place.folder / name).symlink_to(ROOT / name)
        (place.folder / "my_prices.yaml").write_text("{}")
        (place.folder / "ideas.md").write_text(IDEAS)
        (place.folder / "paper.jsonl").write_text(json.dumps(PUBLISHED))
        place.run("trajectories", "import=paper.jsonl", "campaign=paper")
        return place

    def _campaign(self, name: str, *overrides: str) -> None:
        arguments = ["llm=offline", "cluster=local", f"campaign={name}", *overrides]
        (raw,) = compositions("evolve", arguments)
        del raw["fork"], raw["once"]
        config = parse_config({**raw, "data": str(self.folder / "data")})
        folder = self.folder / "runs" / name
        small(folder)
        path, hashes = Workspace(folder).config, hashes_of(config)
        charter = Charter(uid="abc123", airr_version="0", config=raw, path=path, **hashes)
        path.write_text(charter.to_yaml())
        for number in range(3):
            Workspace(folder).codebase(f"e00-i{number:03d}").write_bytes(b"")

    def run(self, verb: str, *arguments: str, **environment: str) -> str:
        """Run `python -m airr.<verb>` in this process, and return what it prints.

        Raises:
            AssertionError: it ended with another status than 0.
        """
        printed = io.StringIO()
        variables = {**_without_keys(os.environ), "COLUMNS": "120", **environment}
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            patch.dict(os.environ, variables, clear=True),
            patch.object(sys, "argv", [f"airr.{verb}", *arguments]),
            warnings.catch_warnings(),
        ):
            sys.modules.pop(f"airr.{verb}", None)
            try:
                runpy.run_module(f"airr.{verb}", run_name="__main__")
            except SystemExit as ended:
                if ended.code:
                    raise AssertionError(f"{printed.getvalue()[-3000:]} {ended.code}") from None
        return printed.getvalue()

    @property
    def login_node(self) -> Mapping[str, str]:
        """Return the variables by which a shell of a login node differs."""
        path = os.pathsep.join([str(self.slurm), os.environ["PATH"]])
        return {"PATH": path, "SLURM_CONF": str(self.slurm / "slurm.conf")}


def _without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.endswith("_API_KEY")}
