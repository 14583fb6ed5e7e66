"""What every `python -m airr.<verb>` shares: Hydra at the door, calm errors, `auto` resolved."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from airr.errors import AirrError
from airr.resources import resource

Body = Callable[[dict[str, Any]], None]
Sweep = Callable[[Sequence[dict[str, Any]]], None]

MULTIRUN = ("-m", "--multirun")

SLURM_CONFS = (
    "/etc/slurm/slurm.conf",
    "/etc/slurm-llnl/slurm.conf",
    "/run/slurm/conf/slurm.conf",
    "/var/spool/slurmd/conf-cache/slurm.conf",
)
AUTO = {
    "llm": lambda: auto_llm(os.environ),
    "cluster": lambda: auto_cluster(os.environ, SLURM_CONFS),
}
"""Config groups whose choice `auto` (or none) is found out on this machine."""


def run_verb(
    config_name: str, body: Body, *, groups: Sequence[str] = (), sweep: Sweep | None = None
) -> None:
    """Compose the verb's configuration from the command line and run `body` with it.

    `groups` are those of `AUTO` that this verb has. `sweep` runs what -m composes, all of it at
    once, where Hydra's launcher would run one job after the other.

    The user's mistakes end in one message and status 2, an interruption in status 130, a refusal
    of the file system in 1; a defect of ours keeps its traceback.
    """
    if sweep and is_multirun(sys.argv[1:]):
        with errors_told():
            sweep(compositions(config_name, sys.argv[1:], groups=groups))
        return
    sys.argv = [sys.argv[0], *resolve_auto(sys.argv[1:], groups)]

    def with_errors_told(composed: DictConfig) -> None:
        with errors_told():
            body(plain(composed))

    try:
        hydra.main(version_base="1.3", config_path=str(resource("conf")), config_name=config_name)(
            with_errors_told
        )()
    except BrokenPipeError:  # `... --help | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def errors_told() -> Generator[None]:
    """End the process with one message and its exit status on what is no defect of ours."""
    try:
        yield
    except (AirrError, HydraException, OmegaConfBaseException) as error:
        sys.exit(_tell(str(error), status=2))
    except OSError as error:
        refused = f"the file system or the network refused: {error}"
        sys.exit(_tell(f"{refused}\nwhat was done is kept; the same command goes on", status=1))
    except KeyboardInterrupt:
        sys.exit(_tell("stopped; the same command goes on from here", status=130))


def compositions(
    config_name: str, arguments: Sequence[str], *, groups: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return what a command line composes: one configuration, or with -m one for each job.

    Raises:
        HydraException: a setting is unknown, or its value cannot be read.
    """
    overrides = [one for one in resolve_auto(arguments, groups) if one not in MULTIRUN]
    with initialize_config_dir(version_base="1.3", config_dir=str(resource("conf"))):
        if not is_multirun(arguments):
            return [plain(compose(config_name, overrides))]
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides(overrides), None)
        return [plain(compose(config_name, job)) for job in jobs]


def is_multirun(arguments: Sequence[str]) -> bool:
    """Tell whether a command line asks for a sweep, and for nothing else of Hydra's."""
    flags = {argument for argument in arguments if argument.startswith("-")}
    return bool(flags) and flags <= {*MULTIRUN}


def plain(composed: DictConfig) -> dict[str, Any]:
    """Return a composed configuration as plain dictionaries, interpolations resolved."""
    container = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def resolve_auto(arguments: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return the command line with each `group=auto`, said or unsaid, replaced by what it means."""
    resolved = [*arguments]
    for group in groups:
        said = [argument for argument in resolved if argument.startswith(f"{group}=")]
        if all(argument == f"{group}=auto" for argument in said):
            resolved = [argument for argument in resolved if argument not in said]
            resolved.append(f"{group}={AUTO[group]()}")
    return resolved


def auto_llm(environment: Mapping[str, str]) -> str:
    """Return the provider that this shell has a key for, or the one that needs none."""
    if environment.get("ANTHROPIC_API_KEY"):
        return "anthropic"
    return "openai" if environment.get("OPENAI_API_KEY") else "offline"


def auto_cluster(environment: Mapping[str, str], confs: Sequence[str]) -> str:
    """Return slurm where sbatch is installed and knows a cluster, else this machine.

    A controller that is down for the moment changes nothing: its users are on a login node.
    """
    has_sbatch = shutil.which("sbatch", path=environment.get("PATH")) is not None
    knows_one = "SLURM_CONF" in environment or any(Path(conf).exists() for conf in confs)
    return "slurm" if has_sbatch and knows_one else "local"


def _tell(message: str, *, status: int) -> int:
    sys.stderr.write(f"airr: {message}\n")
    return status
