"""A config -> a campaign that may begin, or go on: what can refuse it has been asked.

Nothing is made on the way, so that what is refused leaves nothing behind, and a rehearsal or a
sweep asks the same questions as the campaign itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airr.charter import Charter, check_fork, existing_charter, hash_of_folder
from airr.cluster.local import Local
from airr.cluster.protocol import Cluster
from airr.cluster.slots import Slots
from airr.cluster.slurm_settings import SlurmSettings
from airr.config import OFFLINE, Bench, Config
from airr.errors import ConfigError
from airr.executor.plans import env_folder, resolve_sandbox, training_plan
from airr.forks import Heritage, check_begun
from airr.llm.prices import PriceTable
from airr.llm.protocol import Provider
from airr.parsing import AnyBench
from airr.policy.prepared import check_prepared
from airr.policy.settings import RlConfig
from airr.prepared import check_data
from airr.prompts import Prompts
from airr.providers import asked_roles, check_endpoints, check_given, prices_of, providers_of
from airr.researcher.strategies import strategy_named
from airr.shared import Shared, shared_by
from airr.workspace import Workspace, check_writable


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a head is made from. `raw` is the composed form of `config`, as a charter keeps it.

    `charter` is that of a campaign which has begun; `source` is the one whose ideas and scores are
    carried over, and `heritage` the ideas that it was given to execute. `untried` are the roles of
    which no endpoint has said yet that it accepts their key and model.
    """

    config: Config
    raw: Mapping[str, Any]
    workspace: Workspace
    charter: Charter | None
    source: Workspace | None
    heritage: Heritage | None
    cluster: Cluster
    shared: Shared
    providers: Mapping[str, Provider]
    untried: tuple[str, ...]
    prices: PriceTable
    hashes: Mapping[str, str]


def start_of(
    config: Config,
    raw: Mapping[str, Any],
    forked_from: str | None = None,
    shared: Shared | None = None,
    providers: Mapping[str, Provider] | None = None,
    heritage: Heritage | None = None,
) -> Start:
    """Return what the campaign of this config starts with.

    `shared` is what it has in common with other campaigns, where there are others; `providers`
    answer in place of those that the settings name; `heritage` is what it is to begin with.

    Raises:
        AirrError: it may not begin, or not be gone on with.
    """
    workspace = Workspace(Path(config.root) / config.campaign)
    check_writable(workspace.folder)
    source = Workspace(_folder_of(forked_from, config.root)) if forked_from else None
    config = with_sandbox(config)
    shared = shared or shared_by([config])
    cluster = cluster_of(config, shared.slots)
    check_data(config)
    if screened := config.search.screen.env:
        there = replace(config, env=screened)
        cluster_of(there, shared.slots)
        check_data(there)
    prices = prices_of(config)
    answering = providers or providers_of(config)
    Prompts(config.prompts)
    if isinstance(config, RlConfig):
        check_prepared(config.policy, Path(config.data), env_folder(config), config.env.name)
    else:
        strategy_named(config.search.name)
    hashes = hashes_of(config)
    charter = existing_charter(workspace, raw, **hashes)
    if charter and heritage:
        check_begun(workspace, heritage)
    accepted = frozenset[str]()
    if not charter:
        if source:
            check_fork(source, raw, **hashes)
        if not providers:
            accepted = check_endpoints(config)
            check_given(config, heritage.ideas if heritage else ())
    return Start(
        config=config,
        raw=raw,
        workspace=workspace,
        charter=charter,
        source=source,
        heritage=heritage,
        cluster=cluster,
        shared=shared,
        providers=answering,
        untried=tuple(name for name, _ in asked_roles(config) if name not in accepted),
        prices=prices,
        hashes=hashes,
    )


def _folder_of(campaign: str, root: str) -> Path:
    """Return a campaign's folder by its name, or by its path, as other verbs take it."""
    return Path(campaign) if "/" in campaign else Path(root) / campaign


def hashes_of(config: Bench) -> dict[str, str]:
    """Return the hashes of what scores rest on, by the names that a charter has for them."""
    return {
        "env_sha256": hash_of_folder(env_folder(config)),
        "data_sha256": hash_of_folder(Path(training_plan(config).sealed_data)),
    }


def with_sandbox(config: Config) -> Config:
    """Return the config with `auto` replaced by what shields candidates here.

    Raises:
        ConfigError: candidates would run unshielded although nobody asked for that.
    """
    return shielded(config, trusted=config.llm.implementer.provider == OFFLINE)


def shielded(config: AnyBench, *, trusted: bool) -> AnyBench:
    """Do as `with_sandbox`; `trusted` code is airr's own, and may do without a sandbox.

    Raises:
        ConfigError: as `with_sandbox`.
    """
    sandbox = resolve_sandbox(config.cluster.sandbox, trusted_code=trusted)
    return replace(config, cluster=replace(config.cluster, sandbox=sandbox))


def cluster_of(config: Bench, slots: Slots) -> Cluster:
    """Return the scheduler of this config; `slots` are those of this machine.

    Raises:
        ConfigError: this machine has not what the environment needs.
    """
    own, env = config.cluster.own, config.env
    if isinstance(own, SlurmSettings):
        from airr.cluster.slurm import Slurm  # noqa: PLC0415 - only where it is asked for

        return Slurm(own, os.environ)
    machine = slots.machine
    needs = (
        ("GPUs", env.gpus, machine.gpus),
        ("CPUs", env.cpus, machine.cpus),
        ("nodes", env.nodes, 1),
    )
    lacking = [(what, wanted, have) for what, wanted, have in needs if wanted > have]
    if lacking:
        wants = ", ".join(f"{wanted} {what}" for what, wanted, _ in lacking)
        haves = ", ".join(f"{have} {what}" for what, _, have in lacking)
        raise ConfigError(
            f"env={env.name} needs {wants} per run; this machine has {haves}.\n"
            "  On a Slurm cluster:  python -m airr.evolve "
            f"env={env.name} cluster=slurm cluster.partition=...\n"
            "  On this machine:     python -m airr.evolve env=nanogpt_tiny"
        )
    return Local(slots)
