"""An environment's settings -> the plan that its workers carry out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from airr.batch import Plan
from airr.cluster.slurm_settings import SlurmSettings
from airr.config import Bench, Sandbox
from airr.errors import ConfigError
from airr.resources import resource
from airr.seals import seal


def training_plan(config: Bench) -> Plan:
    """Return how candidates of this environment are trained and scored."""
    env, data = config.env, Path(config.data).absolute()
    return Plan(
        env_folder=str(env_folder(config)),
        train_data=str(data / env.train_data),
        sealed_data=str(data / env.sealed_data),
        train=env.train,
        score=env.score,
        score_settings=env.score_settings,
        checkpoint=env.checkpoint,
        checkpoint_limit_mb=env.checkpoint_limit_mb,
        budget_seconds=env.budget_seconds,
        score_seconds=env.score_seconds,
        nodes=env.nodes,
        gpus=env.gpus,
        cpus=_cpus(config),
        memory_gb=env.memory_gb,
        disk_gb=env.disk_gb,
        sandbox=str(config.cluster.sandbox),
    )


def _cpus(config: Bench) -> int:
    """Return the CPUs of a run: those of its GPUs, where the site gives them out that way."""
    own, env = config.cluster.own, config.env
    by_gpu = own.cpus_per_gpu if isinstance(own, SlurmSettings) else None
    return by_gpu * env.gpus if by_gpu and env.gpus else env.cpus


def preflight_plan(config: Bench) -> Plan:
    """Return the same plan at toy scale: other data and variables, seconds, one node, no GPU."""
    plan, preflight = training_plan(config), config.env.preflight
    data = Path(config.data).absolute()
    return replace(
        plan,
        train_data=str(data / preflight.train_data),
        sealed_data=str(data / preflight.sealed_data),
        train=preflight.train,
        score_settings={**plan.score_settings, **preflight.score_settings},
        budget_seconds=preflight.seconds,
        nodes=1,
        gpus=0,
    )


def with_seals(plan: Plan) -> Plan:
    """Return the plan with the hashes of what must not change while its runs go on."""
    folders = (plan.env_folder, plan.sealed_data)
    return replace(plan, seals={folder: seal(Path(folder)) for folder in folders})


def env_folder(config: Bench) -> Path:
    """Return where the environment is installed.

    Raises:
        ConfigError: there is no such environment.
    """
    folder = resource("envs") / config.env.folder
    if not (folder / "codebase").is_dir():
        raise ConfigError(
            f"env.folder={config.env.folder}: {folder / 'codebase'} does not exist; "
            "an environment keeps its baseline there"
        )
    return folder


def resolve_sandbox(wanted: Sandbox, *, trusted_code: bool) -> Sandbox:
    """Turn `auto` into the sandbox of this machine.

    Raises:
        ConfigError: candidates would run unshielded although nobody asked for that.
    """
    if wanted is not Sandbox.AUTO:
        return wanted
    if shutil.which("bwrap"):
        return Sandbox.BUBBLEWRAP
    if trusted_code:
        return Sandbox.NONE
    raise ConfigError(
        "no sandbox: bubblewrap (bwrap) is not installed here, and code written by a model would "
        "run with all your rights. Install bubblewrap, or accept that with cluster.sandbox=none"
    )
