"""A composed configuration -> typed settings, checked once at the door.

An unknown key, a missing one or one of the wrong type is a `ConfigError` that names it; nothing
behind this module checks again.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import dacite

from airr.cluster.slurm_settings import SlurmSettings
from airr.config import (
    IDEATOR,
    Bench,
    Cluster,
    Config,
    IslandsSettings,
    LocalSettings,
    NoSettings,
    Role,
    Scheduler,
    Search,
    SteadySettings,
    TreeSettings,
)
from airr.errors import ConfigError
from airr.foreign import as_float
from airr.ranges import check_bench, check_campaign

Settings = TypeVar("Settings")
AnyBench = TypeVar("AnyBench", bound=Bench)
OWN_SETTINGS: Mapping[str, type] = {
    "steady_state": SteadySettings,
    "tree": TreeSettings,
    "islands": IslandsSettings,
}
"""What strategies take beside what all take."""
MEMBER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
CAMPAIGN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def parse_config(raw: Mapping[str, Any]) -> Config:
    """Return the typed form of a campaign's composed configuration, its values checked.

    Raises:
        ConfigError: a key is unknown, missing, ill-typed or out of range; the message names it.
    """
    _check_is_group(raw, "")
    config = parse_bench(Config, with_parsed_parts(raw))
    check_campaign(config)
    return config


def with_parsed_parts(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return `raw` with what a campaign has beside every bench parsed: its search and its models.

    Raises:
        ConfigError: as `parse_config`.
    """
    search, llm = parse_search(raw.get("search", {})), _with_whole_roles(raw.get("llm", {}))
    return {**raw, "search": search, "llm": llm}


def parse_bench(kind: type[AnyBench], raw: Mapping[str, Any]) -> AnyBench:
    """Return the typed form of a composed configuration, its name and its sizes checked.

    Raises:
        ConfigError: as `parse_config`.
    """
    config = parse(kind, {**raw, "cluster": _with_own_settings(raw.get("cluster", {}))})
    if not CAMPAIGN_NAME.fullmatch(config.campaign):
        raise ConfigError(
            f"campaign={config.campaign!r} is no usable name: take letters, digits, '.', '_' and "
            "'-' (at most 80), beginning with a letter or digit"
        )
    check_bench(config)
    return config


def parse_cluster(raw: Mapping[str, Any]) -> Cluster:
    """Return the typed form of the settings below `cluster`.

    Raises:
        ConfigError: as `parse_config`.
    """
    return parse(Cluster, _with_own_settings(raw), at="cluster.")


def parse_search(search: Mapping[str, Any]) -> dict[str, Any]:
    """Return `search` with what only its strategy knows moved below `own`, and parsed."""
    _check_is_group(search, "search.")
    kind = OWN_SETTINGS.get(str(search.get("name")), NoSettings)
    return _own_apart(search, Search, kind, at="search.")


def _with_whole_roles(llm: Mapping[str, Any]) -> dict[str, Any]:
    """Return `llm` with each role of its ensemble made whole by what the ideator has, and parsed.

    One that names a provider does not inherit an address, which is another provider's.
    """
    _check_is_group(llm, "llm.")
    if "ensemble" not in llm or not isinstance(ideator := llm.get(IDEATOR), Mapping):
        return {**llm}  # it is refused with the rest
    members, whole = _mapping_at("llm.ensemble", llm["ensemble"] or {}), dict[str, Role]()
    for name, given in members.items():
        at = f"llm.ensemble.{name}"
        own = _mapping_at(at, given)
        if not MEMBER_NAME.fullmatch(str(name)) or name == IDEATOR:
            raise ConfigError(f"{at}: take another name, of letters, digits, '_' and '-'")
        elsewhere = {"base_url": None} if "provider" in own else {}
        whole[str(name)] = parse(Role, {**ideator, **elsewhere, **own}, at=f"{at}.")
    return {**llm, "ensemble": whole}


def _mapping_at(name: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{name}={value}: say who proposes too, by a name, and what differs from llm.ideator: "
            "'llm.ensemble={second: {model: NAME}}'"
        )
    return value  # pyright: ignore


def _with_own_settings(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return `cluster` with what only its scheduler knows moved below `own`, and parsed."""
    _check_is_group(cluster, "cluster.")
    kind = SlurmSettings if cluster.get("scheduler") == Scheduler.SLURM else LocalSettings
    return _own_apart(cluster, Cluster, kind, at="cluster.")


def _own_apart(raw: Mapping[str, Any], common: type, own: type, at: str) -> dict[str, Any]:
    _check_is_group(raw, at)
    known = {field.name for field in fields(common)} - {"own"}
    _refuse_unknown(raw, known | {field.name for field in fields(own)}, at)
    shared = {name: value for name, value in raw.items() if name in known}
    rest = {name: value for name, value in raw.items() if name not in known}
    return {**shared, "own": parse(own, rest, at=at)}


def parse(kind: type[Settings], raw: Mapping[str, Any], at: str = "") -> Settings:
    """Return `raw` as the dataclass `kind`, refusing whatever does not fit it by name.

    `at` is where `raw` stands in the configuration, such as `cluster.`.
    """
    _check_is_group(raw, at)
    _check_keys(kind, raw, at)
    _refuse_infinite(raw, at)
    hooks = {float: _as_float, dict[str, str]: _as_words}
    strict = dacite.Config(strict=True, cast=[StrEnum, tuple], type_hooks=hooks)
    try:
        return dacite.from_dict(kind, raw, strict)
    except dacite.WrongTypeError as error:
        raise ConfigError(
            f"{at}{error.field_path}={_given(raw, error)!r} does not fit: "
            f"it takes {_type_name(error.field_type)}{_quoted(at, error)}"
        ) from error
    except (dacite.DaciteError, ValueError, TypeError) as error:
        raise ConfigError(f"the configuration does not fit: {error}") from error


def _given(raw: Mapping[str, Any], error: dacite.WrongTypeError) -> Any:
    """Return what was given, rather than the tuple that was made of it."""
    value: Any = raw
    for key in (error.field_path or "").split("."):
        if not isinstance(value, Mapping) or key not in value:
            return error.value
        value = value[key]  # pyright: ignore[reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _quoted(at: str, error: dacite.WrongTypeError) -> str:
    """Return how a text is written that reads as a number or as true, if that is what was meant."""
    if error.field_type is not str or not isinstance(error.value, int | float):
        return ""
    return f": to give it that text, write '{at}{error.field_path}=\"{error.value}\"'"


def _as_float(value: Any) -> Any:
    """Let a whole number stand where a float is asked for; leave the rest to be refused."""
    return as_float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_words(value: Any) -> Any:
    """Let a number stand where an environment variable's text is asked for."""
    if not isinstance(value, dict):
        return value
    items: dict[Any, Any] = value
    return {str(name): str(word) for name, word in items.items()}


def _refuse_infinite(value: Any, name: str) -> None:
    """Refuse .inf and .nan, which compare as no bound at all."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name.rstrip('.')}={value}: it must be a number")
    if isinstance(value, Mapping):
        items: Mapping[Any, Any] = value
        for key, one in items.items():
            _refuse_infinite(one, f"{name}{key}.")
    if isinstance(value, list):
        several: list[Any] = value
        for one in several:
            _refuse_infinite(one, name)


def _type_name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)


def _check_keys(kind: type, raw: Mapping[str, Any], at: str) -> None:
    """Refuse unknown and missing keys, with the full dotted name and the nearest known one."""
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    _refuse_unknown(raw, known, at)
    for name in sorted(known - raw.keys()):
        raise ConfigError(f"setting {at}{name} is missing")
    for name, value in raw.items():
        _check_choice(hints[name], value, f"{at}{name}")
        _check_is_list(hints[name], value, f"{at}{name}")
        nested = [t for t in (hints[name], *get_args(hints[name])) if is_dataclass(t)]
        if nested and isinstance(value, Mapping) and get_origin(hints[name]) is not dict:
            _check_keys(nested[0], value, at=f"{at}{name}.")  # pyright: ignore


def _check_is_group(raw: object, at: str) -> None:
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{at.rstrip('.') or 'the configuration'}={raw!r:.80} holds no settings")


def _refuse_unknown(raw: Mapping[str, Any], known: set[str], at: str) -> None:
    for key in raw.keys() - known:
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {at}{near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        raise ConfigError(f"unknown setting {at}{key}: {hint}")


def _check_is_list(hint: Any, value: Any, name: str) -> None:
    """Refuse a single value where a list is asked for, before a text is taken for its letters."""
    if get_origin(hint) is tuple and not isinstance(value, list | tuple):
        one = "" if value is None else value
        raise ConfigError(f"{name}={value!r} does not fit: it takes a list, write '{name}=[{one}]'")


def _check_choice(hint: Any, value: Any, name: str) -> None:
    if isinstance(hint, type) and issubclass(hint, StrEnum) and value not in [*hint]:
        raise ConfigError(f"{name}={value}: choose one of {', '.join(hint)}")
