"""A command line -> the settings that it composes, as plain dictionaries; or what is wrong with it.

Hydra composes; what it refuses is said in airr's words, with the nearest name that there is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from airr.errors import ConfigError
from airr.resources import resource

MULTIRUN = ("-m", "--multirun")
UNKNOWN = re.compile(r"Could not override '([^']+)'")
ADDED = ("dry_run", "site")
"""What a command line adds to the settings that there are."""
THERE_ALREADY = re.compile(r"Could not append .*already at '([^']+)'", re.DOTALL)


def is_multirun(arguments: Sequence[str]) -> bool:
    """Tell whether a command line asks for a sweep."""
    return any(argument in MULTIRUN for argument in arguments)


def has_flags(arguments: Sequence[str]) -> bool:
    """Tell whether a command line asks for something of Hydra's own, such as --help."""
    return any(one.startswith("-") and one not in MULTIRUN for one in arguments)


def compositions(config_name: str, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Return what a command line composes: one configuration, or with -m one for each job.

    Raises:
        ConfigError: a setting is unknown, or its value cannot be read.
    """
    overrides = [argument for argument in arguments if argument not in MULTIRUN]
    with initialize_config_dir(version_base="1.3", config_dir=str(resource("conf"))):
        try:
            jobs = _jobs(overrides) if is_multirun(arguments) else [overrides]
            return [_with_screen(plain(compose(config_name, job)), config_name) for job in jobs]
        except (HydraException, OmegaConfBaseException) as error:
            known = [*_settings(plain(compose(config_name)))]
            raise ConfigError(_explained(error, known)) from error


def _with_screen(composed: dict[str, Any], config_name: str) -> dict[str, Any]:
    """Return a composition in which the environment of the screen, named alone, stands in full."""
    search: dict[str, Any] = composed.get("search", {})
    screen: dict[str, Any] = search.get("screen", {})
    if not isinstance(name := screen.get("env"), str):
        return composed
    env = plain(compose(config_name, [f"env={name}"]))["env"]
    return {**composed, "search": {**search, "screen": {**screen, "env": env}}}


def plain(composed: DictConfig) -> dict[str, Any]:
    """Return a composed configuration as plain dictionaries, interpolations resolved."""
    container = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _jobs(overrides: list[str]) -> list[list[str]]:
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides(overrides), None)
    return [list(job) for job in jobs]


def _settings(composed: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield the dotted name of every setting, groups included."""
    for name, value in composed.items():
        yield f"{at}{name}"
        if isinstance(value, Mapping):
            yield from _settings(value, f"{at}{name}.")  # pyright: ignore[reportUnknownArgumentType]


def _explained(error: Exception, known: Sequence[str]) -> str:
    said = str(error)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} is no setting: write key=value, and quote a value with blanks, "
            "commas, brackets or letters beyond a to z twice, as in 'key=\"a, b\"'"
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        return f"{group}={option}: choose one of {', '.join(error.options or ())}"
    if found := UNKNOWN.search(said):
        if found[1] in ADDED:
            return f"unknown setting {found[1]}: it is added, as +{found[1]}=..."
        if found[1] in known:
            return f"{found[1]} is not chosen by name here: set what --help lists below {found[1]}"
        near = difflib.get_close_matches(found[1], known, n=1)
        hint = f"did you mean {near[0]}?" if near else "--help lists what there is"
        return f"unknown setting {found[1]}: {hint}"
    if found := THERE_ALREADY.search(said):
        return f"the setting {found[1]} is there already: leave out the +"
    return said
