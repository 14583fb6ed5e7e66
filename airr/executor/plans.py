"""An environment's settings -> the plan that its workers carry out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from airr.batch import Plan
from airr.cluster.slurm_settings import SlurmSettings
from airr.config import Bench, Config, Direction, Env, Metric, Sandbox
from airr.curves import CurveOf
from airr.errors import ConfigError
from airr.resources import resource
from airr.screens import in_words
from airr.seals import seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A rung of the screen: which share of whose budget, and what its scores are values of."""

    number: int
    env: str
    is_elsewhere: bool
    share: float
    plan: Plan
    metric: Metric

    @property
    def gpu_hours(self) -> float:
        """Return what a run takes at most."""
        plan = self.plan
        return plan.nodes * plan.gpus * (plan.budget_seconds + plan.score_seconds) / 3600

    @property
    def in_words(self) -> str:
        """Return how long training is there."""
        return in_words(self.share, self.env if self.is_elsewhere else "")


def rungs_of(config: Config) -> tuple[Rung, ...]:
    """Return the rungs of a campaign's screen, the shortest first; none without a screen."""
    screen = config.search.screen
    env = screen.env or config.env
    whole = training_plan(replace(config, env=env))
    return tuple(
        Rung(
            number=number,
            env=env.name,
            is_elsewhere=screen.env is not None,
            share=share,
            plan=_shortened(whole, env, share),
            # a few steps more or less make what looks like a jump
            metric=replace(env.metric, jump=0.0),
        )
        for number, share in enumerate(screen.rungs)
    )


def _shortened(plan: Plan, env: Env, share: float) -> Plan:
    """Return the plan of a training with a share of the budget, which knows that it is shorter.

    Its deadline and the variables that stand for a length are that share, so that schedules end
    where it does.
    """
    lengths = {
        name: str(max(1, round(share * most))) for name, most in (env.shortened_by or {}).items()
    }
    train = plan.train
    if share < 1:
        train = replace(train, environment={**train.environment, **lengths})
    return replace(plan, train=train, budget_seconds=share * plan.budget_seconds)


def training_plan(config: Bench) -> Plan:
    """Return how candidates of this environment are trained and scored."""
    env, data = config.env, Path(config.data).absolute()
    curve = env.curve
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
        curve=curve and CurveOf(name=curve.name, minimize=curve.direction is Direction.MINIMIZE),
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
        curve=None,
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
