"""What an environment promises by its settings and files -> findings. Nothing is run.

The contract stands in conf/env/nanogpt_tiny.yaml, beside each setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from airr.checks.finding import Finding, failed, ok, warning
from airr.config import Config, Env
from airr.errors import ConfigError
from airr.executor.codebases import Tree, read_tree
from airr.executor.plans import preflight_plan, training_plan
from airr.llm.catalogue import Catalogue
from airr.resources import resource

IN_ENVIRONMENT = "{env}/"
"""How a command's arguments name files of the environment's own folder."""


def check_contract(config: Config) -> Iterator[Finding]:
    """Yield what is sound and what is not; further checks make sense only if nothing failed."""
    env, folder = config.env, resource("envs") / config.env.folder
    yield judge_settings(env)
    yield judge_folder(env, folder)
    if not (folder / "codebase").is_dir():
        return
    yield judge_scorer(env, folder)
    yield judge_codebase(env, read_tree(folder / "codebase"))
    yield judge_data(config)
    yield judge_catalogue(folder / "catalogue")


def judge_settings(env: Env) -> Finding:
    """Judge the path that only a wrong environment would have, and tell its numbers."""
    saved = PurePosixPath(env.checkpoint)
    if saved.is_absolute() or ".." in saved.parts:
        found = f"env.checkpoint={env.checkpoint}: a path below the run's output folder is meant"
        return failed("settings", found, f"mend conf/env/{env.name}.yaml")
    size = f"nodes {env.nodes}, GPUs {env.gpus}, CPUs {env.cpus}, memory {env.memory_gb:g} GB"
    goal = f"{env.budget_seconds:g} s to {env.metric.direction} {env.metric.name}"
    return ok("settings", f"a run takes {size}, and has {goal}")


def judge_folder(env: Env, folder: Path) -> Finding:
    """Judge whether codebase and task are there."""
    lacking = [
        name
        for name, is_there in (
            ("codebase/", (folder / "codebase").is_dir() and any((folder / "codebase").iterdir())),
            ("task.md", (folder / "task.md").is_file() and (folder / "task.md").stat().st_size > 0),
        )
        if not is_there
    ]
    if lacking:
        found = f"{folder} lacks {' and '.join(lacking)}"
        return failed("folder", found, f"put it there, or set env.folder of env={env.name}")
    return ok("folder", f"{folder} holds codebase/ and task.md")


def judge_scorer(env: Env, folder: Path) -> Finding:
    """Judge whether the scorer is a file of the environment that no candidate can reach."""
    named = [
        folder / part[len(IN_ENVIRONMENT) :]
        for part in env.score.argv
        if part.startswith(IN_ENVIRONMENT)
    ]
    if not named:
        return failed(
            "scorer",
            "env.score.argv names no file of the environment",
            "seal the scorer beside the codebase and name it as {env}/sealed/score.py",
        )
    if missing := [str(path) for path in named if not path.is_file()]:
        return failed("scorer", f"{', '.join(missing)} is not there", "mend env.score.argv")
    codebase = (folder / "codebase").resolve()
    if any(path.resolve().is_relative_to(codebase) for path in named):
        return failed(
            "scorer",
            "it lies in codebase/, where candidates change it",
            "move it beside the codebase, as in envs/nanogpt/sealed",
        )
    return ok("scorer", ", ".join(path.relative_to(folder).as_posix() for path in named))


def judge_codebase(env: Env, codebase: Tree) -> Finding:
    """Judge whether patches may edit anything, and whether training starts a file that is there."""
    idle = [
        pattern
        for pattern in env.editable
        if not any(fnmatchcase(path, pattern) for path in codebase)
    ]
    if idle or not env.editable:
        found = f"env.editable: {', '.join(idle) or 'it is empty'} matches no file of codebase/"
        return failed("codebase", found, f"its files are {', '.join(sorted(codebase)[:8])}")
    program = entry_program(env, codebase)
    if program is None:
        found = f"env.train.argv starts no file of codebase/: {' '.join(env.train.argv)}"
        return warning("codebase", found, "name the program by its path below codebase/")
    open_files = [p for p in codebase if any(fnmatchcase(p, pattern) for pattern in env.editable)]
    return ok(
        "codebase", f"{len(open_files)} of {len(codebase)} files may be edited; {program} runs"
    )


def judge_data(config: Config) -> Finding:
    """Judge whether all data is there, and the sealed part outside of what candidates see."""
    remedy = f"python -m airr.prepare env={config.env.name}"
    for plan in (training_plan(config), preflight_plan(config)):
        train, sealed = Path(plan.train_data), Path(plan.sealed_data)
        for folder in (train, sealed):
            if not folder.is_dir() or not any(folder.iterdir()):
                return failed("data", f"there is none in {folder}", remedy)
        if sealed.resolve().is_relative_to(train.resolve()):
            return failed(
                "data",
                f"candidates see {sealed}: it lies in the training data",
                "set env.sealed_data to a folder of its own",
            )
    return ok("data", "there is some to train and to score on, for runs and preflights")


def judge_catalogue(folder: Path) -> Finding:
    """Tell how many ideas the offline provider knows, and how many of them are known cheats."""
    if not any(folder.glob("*.yaml")):
        return ok("catalogue", "none: llm=offline has nothing to propose, no known cheat is tried")
    try:
        entries = Catalogue.read(folder).entries.values()
    except ConfigError as error:
        return failed("catalogue", str(error), "mend that file")
    cheats = sum(entry.cheat for entry in entries)
    return ok("catalogue", f"{len(entries)} ideas, {cheats} of them known cheats")


def entry_program(env: Env, codebase: Tree) -> str | None:
    """Return the file of the codebase that training starts, by path or as `-m module`."""
    for part in env.train.argv:
        for path in (part, f"{part.replace('.', '/')}.py"):
            if path in codebase:
                return path
    return None
