"""A command line -> the settings that it composes, as plain dictionaries; or what is wrong with it.

Hydra composes; what it refuses is said in airr's words, with the nearest name that there is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from string import Template
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from airr.errors import ConfigError
from airr.resources import resource

UNKNOWN = re.compile(r"Could not override '([^']+)'")
ADDED = ("dry_run", "site")
"""What a command line adds to the settings that there are."""
THERE_ALREADY = re.compile(r"Could not append .*already at '([^']+)'", re.DOTALL)
REFERS = re.compile(r"Interpolation key '([^']+)' not found")
SEVERAL = re.compile(r"Ambiguous value for argument '([^=]+)=(.*)'")


def compositions(
    config_name: str, settings: Sequence[str], *, multirun: bool = False
) -> list[dict[str, Any]]:
    """Return what a command line composes: one configuration, or with -m one for each job.

    Raises:
        ConfigError: a setting is unknown, or its value cannot be read.
    """
    with _at_the_door(config_name):
        jobs = _jobs(settings) if multirun else [[*settings]]
        return [_with_screen(_composed(config_name, job), config_name) for job in jobs]


def settings_shown(
    config_name: str, settings: Sequence[str], *, package: str | None, resolve: bool
) -> str:
    """Return what a command line composes as YAML; `package` names a group to be shown alone.

    Raises:
        ConfigError: as `compositions`, or there is no such group.
    """
    with _at_the_door(config_name):
        composed = compose(config_name, [*settings])
        shown = OmegaConf.select(composed, package) if package else composed
        if isinstance(shown, DictConfig):
            return OmegaConf.to_yaml(shown, resolve=resolve)
        raise ConfigError(f"--package {package}: there is no such group; --help shows them all")


def help_shown(config_name: str, settings: Sequence[str]) -> str:
    """Return what a verb teaches of itself, with its settings as a command line composes them.

    Raises:
        ConfigError: as `compositions`.
    """
    with _at_the_door(config_name):
        composed = compose(config_name, [*settings])
        taught = compose(config_name, [*settings], return_hydra_config=True).hydra.help
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        return Template(taught.template).substitute(
            APP_CONFIG_GROUPS=hydra.format_config_groups(lambda name: "hydra" not in name),
            CONFIG=OmegaConf.to_yaml(composed),
        )


def settings_for(config_name: str, earlier: Sequence[str], word: str) -> list[str]:
    """Return what the beginning of a setting may become, behind the `earlier` ones.

    A name that goes on ends in `.`, one that waits for its value in `=`. What a sweep has several
    of counts as the first of them.

    Raises:
        ConfigError: as `compositions`, of the earlier ones.
    """
    name, equals, typed = word.partition("=")
    group = name.lstrip("+")
    with _at_the_door(config_name):
        loader, (job, *_) = GlobalHydra.instance().config_loader(), _jobs(earlier)
        values = loader.get_group_options(group, ObjectType.CONFIG, config_name, job)
        groups = loader.get_group_options("", ObjectType.GROUP, config_name, job)
        composed = plain(compose(config_name, job))
    if equals:
        if not (values and group in {*composed, *ADDED}):
            values = _values_like(_at(composed, name))
        before = typed[: typed.rfind(",") + 1]
        return [f"{name}={before}{one}" for one in values]
    *path, _ = name.split(".")
    names = {".".join([*path, key]): value for key, value in _below(composed, path).items()}
    return [
        *(f"{one}=" for one, value in names.items() if one in groups or not _is_group(value)),
        *(f"{one}." for one, value in names.items() if _is_group(value)),
        *("+dry_run=true", *(f"+{group}=" for group in groups if group in ADDED)),
    ]


def _below(composed: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any]:
    found = _at(composed, ".".join(path)) if path else composed
    return found if _is_group(found) else {}


def _at(composed: Mapping[str, Any], name: str) -> Any:
    """Return the value of a setting by its dotted name; None where there is none."""
    found: Any = composed
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _is_group(value: Any) -> bool:
    return isinstance(value, Mapping)


def _values_like(value: Any) -> list[str]:
    """Return what stands in place of a setting's value as one word, and what else it may be."""
    if isinstance(value, bool):
        return ["true", "false"]
    return [str(value)] if isinstance(value, int | float | str) else []


@contextmanager
def _at_the_door(config_name: str) -> Generator[None]:
    """Let Hydra compose in the body; say in airr's words what it refuses."""
    with initialize_config_dir(version_base="1.3", config_dir=str(resource("conf"))):
        try:
            yield
        except (HydraException, OmegaConfBaseException) as error:
            known = [*_settings(plain(compose(config_name)))]
            explained = _unfilled if isinstance(error, InterpolationKeyError) else _explained
            raise ConfigError(explained(error, known)) from error


def _composed(config_name: str, job: Sequence[str]) -> dict[str, Any]:
    """Return one configuration, refusing names that a `+` added and nobody knows.

    Hydra takes any. Below a group, whoever reads it refuses them.
    """
    composed = plain(compose(config_name, [*job]))
    usual = [one for one in job if not one.startswith("+") or _name_in(one) in ADDED]
    if len(usual) < len(job):
        known = plain(compose(config_name, usual))
        for name in composed.keys() - known.keys():
            raise ConfigError(_unknown(name, [*_settings(known)]))
    return composed


def _name_in(setting: str) -> str:
    return setting.lstrip("+").partition("=")[0]


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


def _jobs(settings: Sequence[str]) -> list[list[str]]:
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides([*settings]), None)
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
        return _unknown(found[1], known)
    if found := SEVERAL.search(said):
        name, values = found.groups()
        return (
            f"{name}={values}: -m runs a campaign with each of these values; a list of them is "
            f"'{name}=[{values}]', a text '{name}=\"{values}\"'"
        )
    if found := THERE_ALREADY.search(said):
        return f"the setting {found[1]} is there already: leave out the +"
    return said


def _unfilled(error: Exception, known: Sequence[str]) -> str:
    """Return why a setting that is made of another one, as ${...} says, cannot be."""
    found = REFERS.search(str(error))
    if not found:
        return str(error)
    whole, part = getattr(error, "full_key", ""), found[1]
    if part in known:
        return f"{whole} is made of {part}, which a ~ has taken away: leave out that ~"
    return f"{whole} is made of ${{{part}}}: {_unknown(part, known)}"


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "--help lists what there is"
    return f"unknown setting {name}: {hint}"
