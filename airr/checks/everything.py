"""The site, a node of it, and the environment, in the order in which each rests on the last."""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airr.checks.contract import check_contract
from airr.checks.finding import Finding, Findings, Tell, Verdict, failed, ok, warning
from airr.checks.node import Unheard, probe, probe_array
from airr.checks.node_rules import Expected, judge_report, judge_silence
from airr.checks.self_test import candidates_of, cost_of, self_test
from airr.checks.site import Site
from airr.checks.site_rules import needs_of
from airr.cluster.protocol import SubmissionLimited, TaskState
from airr.cluster.slurm_settings import SlurmSettings
from airr.config import Config, Sandbox
from airr.errors import AirrError, ConfigError
from airr.executor.plans import training_plan
from airr.resources import resource
from airr.shared import shared_by
from airr.start import cluster_of, with_sandbox


class Section(StrEnum):
    """What a finding is about."""

    SITE = "site"
    """The scheduler, as seen from here."""
    NODE = "node"
    """A node, as a training finds it."""
    ENVIRONMENT = "environment"
    """The research environment's contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """What stands below `check` in conf/check.yaml."""

    patience: float
    """Seconds to wait in the queue, for the probe and then for the self-test."""
    runs: bool | None
    """Whether to run the self-test; None runs one that costs no GPU and little time."""


@dataclass(slots=True)
class _Course:
    """What the checks so far mean for those to come."""

    has_failed: bool = False
    is_queue_long: bool = False


async def check_everything(
    config: Config, raw: Mapping[str, Any], settings: CheckSettings, tell: Tell
) -> AsyncIterator[tuple[Section, Finding]]:
    """Yield every finding as it is made. `raw` is the configuration that `config` was read from.

    Where something failed, what rests on it is not tried, and that is said.
    """
    course = _Course()
    config, shield = _resolve_sandbox(config)
    if not (resource("envs") / config.env.folder / "codebase").is_dir():
        for finding in check_contract(config):  # without a codebase there is no job to ask about
            yield Section.ENVIRONMENT, finding
        return
    parts = {
        Section.SITE: _site(config, shield),
        Section.NODE: _node(config, settings, tell, course),
        Section.ENVIRONMENT: _environment(config, raw, settings, tell, course),
    }
    for section, findings in parts.items():
        async for finding in findings:
            course.has_failed |= finding.verdict is Verdict.FAILED
            yield section, finding


def probe_script(config: Config) -> str:
    """Return what the probe would be submitted as, doing nothing.

    Raises:
        AirrError: this machine has no such cluster.
    """
    config, _ = _resolve_sandbox(config)
    array = probe_array(config, Path(config.root).absolute() / "check-xxxxxx")
    own = config.cluster.own
    if isinstance(own, SlurmSettings):
        from airr.cluster.slurm import Slurm  # noqa: PLC0415 - only where it is asked for

        return Slurm(own, os.environ).script(array)
    return shlex.join((*array.command, "0"))


async def _site(config: Config, shield: Finding | None) -> Findings:
    if shield:
        yield shield
    own = config.cluster.own
    if isinstance(own, SlurmSettings):
        array = probe_array(config, Path(config.root).absolute() / "check")
        async for finding in Site(own, os.environ).check(
            needs_of(config.env.name, array, own), array
        ):
            yield finding
        return
    try:
        yield ok("machine", cluster_of(config, shared_by([config]).slots).place)
    except ConfigError as error:
        found, _, remedy = str(error).partition("\n")
        yield failed("machine", found, " ".join(remedy.split()))


async def _node(config: Config, settings: CheckSettings, tell: Tell, course: _Course) -> Findings:
    if course.has_failed:
        yield warning("probe", "not sent: the site would not take it", "first mend what failed")
        return
    try:
        cluster = cluster_of(config, shared_by([config]).slots)
        heard = await probe(config, cluster, patience=settings.patience, tell=tell)
    except SubmissionLimited as error:
        course.is_queue_long = True
        yield warning("probe", f"not taken now: {error}", "try again when some of them have ended")
    except AirrError as error:
        yield failed("probe", str(error), "first mend what the scheduler complains of")
    except PermissionError as error:
        yield failed("root", str(error), "set root= to a folder of yours that nodes share")
    else:
        root = str(Path(config.root).absolute())
        if isinstance(heard, Unheard):
            course.is_queue_long = heard.last.state is TaskState.PENDING
            yield judge_silence(heard, root)
            return
        for finding in judge_report(heard, _expected(config, root)):
            yield finding


async def _environment(
    config: Config,
    raw: Mapping[str, Any],
    settings: CheckSettings,
    tell: Tell,
    course: _Course,
) -> Findings:
    for finding in check_contract(config):
        yield finding
    if course.has_failed:
        yield warning("self-test", "not run: it rests on the above", "first mend what failed")
        return
    candidates = candidates_of(config)
    cost = cost_of(config.env, candidates)
    if settings.runs is False:
        yield ok("self-test", f"not run, as you asked; it takes {cost}")
        return
    if not (settings.runs or cost.is_small):
        yield warning("self-test", f"not run: it takes {cost}", "ask for it with check.runs=true")
        return
    if course.is_queue_long:
        yield warning("self-test", "not run: not even the probe was", "wait longer: check.patience")
        return
    try:
        async for finding in self_test(raw, candidates, patience=settings.patience, tell=tell):
            yield finding
    except AirrError as error:
        yield failed("self-test", str(error), "mend it, and run the check again")


def _resolve_sandbox(config: Config) -> tuple[Config, Finding | None]:
    """Return the config with its sandbox found out, and what is amiss with it on this machine.

    A node may have what this machine lacks: the probe looks there for bubblewrap in any case.
    """
    try:
        return with_sandbox(config), None
    except ConfigError as error:
        cluster = replace(config.cluster, sandbox=Sandbox.BUBBLEWRAP)
        finding = failed("sandbox", str(error), "install it here too: preflights run here")
        return replace(config, cluster=cluster), finding


def _expected(config: Config, root: str) -> Expected:
    own, plan = config.cluster.own, training_plan(config)
    folders, runs = (plan.env_folder, plan.train_data, plan.sealed_data), config.cluster.pack
    return Expected(
        root=root,
        folders=[folder for folder in folders if Path(folder).is_dir()],
        airr_version=version("airr"),
        sandbox=str(config.cluster.sandbox),
        nodes=plan.nodes,
        gpus=plan.gpus * runs,
        cpus=plan.cpus * runs,
        memory_gb=plan.memory_gb * runs,
        disk_gb=plan.disk_gb * runs,
        passed_on=own.pass_env if isinstance(own, SlurmSettings) else (),
    )
