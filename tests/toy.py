"""A research environment without torch, for tests of everything around training.

`train.py` reads a number from `value.txt` of its codebase's `recipe.py` and saves it; the sealed
scorer reports it. Candidates misbehave by being other programs.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from airr.batch import Batch, Command, Plan, PlannedRun
from airr.executor.codebases import Tree, sha256_of
from airr.executor.codebases import pack as zipped
from airr.records import RunKey

HONEST = """\
import os, pathlib
from recipe import VALUE
print("training")
pathlib.Path(os.environ["AIRR_OUT"], "checkpoint.txt").write_text(str(VALUE))
"""

NOISY = """\
import os, pathlib, random
from recipe import VALUE
SEED = int(os.environ["AIRR_SEED"])
noise = random.Random(f"{VALUE} {SEED}").gauss(0, 0.05)
out = pathlib.Path(os.environ["AIRR_OUT"])
(out / "report.json").write_text('{"tokens_per_second": 1000, "note": "not a number"}')
(out / "checkpoint.txt").write_text(str(VALUE + noise))
"""
"""As honest, and as noisy as training is: the standard deviation over seeds is 0.05."""

SCORER = """\
import json, pathlib, sys
spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
value = float(pathlib.Path(spec["checkpoint"]).read_text())
report = {"metric": value, "standard_error": 0.01, "scorer_version": "toy"}
pathlib.Path(spec["report"]).write_text(json.dumps(report))
"""


def tree(train: str = HONEST, value: float = 2.0) -> Tree:
    return {"train.py": train, "recipe.py": f"VALUE = {value}\n"}


def make_env(folder: Path) -> Path:
    """Make the environment's folders below `folder` and return the environment's own."""
    for name in ("env", "train_data", "sealed_data", "inbox", "jobs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "env" / "score.py").write_text(SCORER)
    (folder / "sealed_data" / "secret.txt").write_text("the validation data")
    (folder / "train_data" / "data.txt").write_text("the training data")
    return folder / "env"


def plan(folder: Path, **changes: object) -> Plan:
    fields: dict[str, object] = {
        "env_folder": str(folder / "env"),
        "train_data": str(folder / "train_data"),
        "sealed_data": str(folder / "sealed_data"),
        "train": Command(argv=("{python}", "train.py"), environment={}),
        "score": Command(argv=("{python}", "{env}/score.py"), environment={}),
        "score_settings": {},
        "checkpoint": "checkpoint.txt",
        "checkpoint_limit_mb": 1.0,
        "budget_seconds": 5.0,
        "score_seconds": 5.0,
        "nodes": 1,
        "gpus": 0,
        "cpus": 1,
        "memory_gb": 0.5,
        "disk_gb": 0.05,
        "sandbox": "bubblewrap",
    }
    return Plan(**fields | changes)  # type: ignore[arg-type]


def write_batch(
    folder: Path,
    codebase: Tree,
    plan: Plan,
    name: str = "airr-toy-b0000",
    count: int = 1,
    pack: int = 1,
) -> Path:
    """Write a batch of `count` runs of one codebase, as the head would; return its record."""
    packed = zipped(codebase)
    archive = folder / f"{name}.zip"
    archive.write_bytes(packed)
    runs = tuple(
        PlannedRun(
            key=RunKey(idea_id=f"e00-i{index:03d}"),
            seed=0,
            codebase=str(archive),
            codebase_sha256=sha256_of(packed),
        )
        for index in range(count)
    )
    batch = Batch(
        name=name,
        inbox=str(folder / "inbox"),
        plan=plan,
        pack=pack,
        runs=runs,
        exclude_nodes=(),
        created_at=0.0,
    )
    path = folder / "jobs" / name / "batch.json"
    path.parent.mkdir()
    path.write_text(batch.to_json())
    return path


CATALOGUE = {
    "better": ("VALUE = 2.0", "VALUE = <<value>>", {"value": ["1.5", "1.6", "1.7"]}),
    "best": ('print("training")', 'print("training")\nVALUE = VALUE - 0.3', {}),
    "worse": ("VALUE = 2.0", "VALUE = 3.0", {}),
    "neutral": ('print("training")', 'print("training hard")', {}),
    "crash": ('print("training")', 'raise RuntimeError("this idea crashes")', {}),
    "late-crash": ('print("training")', 'assert "AIRR_STEPS" in os.environ, "too late"', {}),
    "typo": ('print("training")', 'print("training")\nVALUE = VALUE - 0.1', {}),
    "silent": ("import os, pathlib", "import os, pathlib, sys\nsys.exit(0)", {}),
    "wild": ("VALUE = 2.0", 'VALUE = float("nan")', {}),
}
"""slug -> (what stands in the codebase, what takes its place, numbers that vary)."""

WRONG_AT_FIRST = {"typo": 'print("training")\nassert "AIRR_STEPS" in os.environ, "no such name"'}
"""slug -> what takes its place at first: it passes the preflight, and crashes when it is run."""


Entry = tuple[str, str, Mapping[str, Sequence[str]]]

PLANTED: Mapping[str, Entry] = {
    "better": ("VALUE = 2.0", "VALUE = 1.8", {}),
    "lucky": ("VALUE + noise", "VALUE + noise - 0.5 * (SEED == 0)", {}),
    "cheat": ("VALUE + noise", "VALUE + noise - 1.0 / (SEED == 0)", {}),
    "neutral": ("import os, pathlib, random", "import pathlib, os, random", {}),
}
"""Ideas for `NOISY`, of which a search with seed 0 cannot tell which one is better."""


def make_campaign_env(
    folder: Path, catalogue: Mapping[str, Entry] = CATALOGUE, train: str = HONEST
) -> list[str]:
    """Make a whole environment, catalogue included, and return the overrides that choose it."""
    env = make_env(folder)
    (env / "codebase").mkdir()
    for path, text in tree(train).items():
        (env / "codebase" / path).write_text(text)
    (env / "task.md").write_text("A toy: the number that train.py saves is to become small.")
    (env / "catalogue").mkdir()
    for slug, (old, new, numbers) in catalogue.items():
        entry = {
            "title": f"Try {slug}",
            "group": old,
            "experiment": f"The idea {slug} may help.",
            "changes": f"Put {slug} in.",
            "numbers": {name: [*values] for name, values in numbers.items()},
            "diff": _diff(tree(train), old, new),
            "first_diff": _diff(tree(train), old, WRONG_AT_FIRST.get(slug, new)),
        }
        (env / "catalogue" / f"{slug}.yaml").write_text(yaml.safe_dump(entry))
    return [
        f"env.folder={env}",
        "env.train.argv=['{python}',train.py]",
        "env.preflight.train.argv=['{python}',train.py]",
        "env.score.argv=['{python}','{env}/score.py']",
        "env.checkpoint=checkpoint.txt",
        f"env.train_data={folder / 'train_data'}",
        f"env.sealed_data={folder / 'sealed_data'}",
        f"env.preflight.train_data={folder / 'train_data'}",
        f"env.preflight.sealed_data={folder / 'sealed_data'}",
        "env.metric.plausible=[0.5,12.0]",
        f"root={folder / 'runs'}",
    ]


def _diff(codebase: Tree, old: str, new: str) -> str:
    path, text = next((path, text) for path, text in codebase.items() if old in text)
    changed = text.replace(old, new)
    lines = (text.splitlines(keepends=True), changed.splitlines(keepends=True))
    return "".join(difflib.unified_diff(*lines, f"a/{path}", f"b/{path}"))
