"""The settings of a campaign, typed: whatever Hydra composed, checked once at the door.

Defaults live in conf/ alone. An unknown key, a missing one or one of the wrong type is a
`ConfigError` that names it; nothing behind this module checks again.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import urlsplit

import dacite

from airr.batch import Command
from airr.cluster.slurm_settings import SlurmSettings
from airr.errors import ConfigError

Settings = TypeVar("Settings")
OFFLINE = "offline"
"""The provider that asks no model."""
CAMPAIGN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


class Direction(StrEnum):
    """Which way a metric gets better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class RewardFormula(StrEnum):
    """How a metric becomes a reward, which is higher-is-better and positive."""

    INVERSE = "inverse"
    """1 / metric: for losses."""
    IDENTITY = "identity"
    """The metric itself: for accuracies."""


class PatchFormat(StrEnum):
    """In which form models are asked for patches; either is read. A template each."""

    UNIFIED = "unified"
    """A unified diff."""
    SEARCH_REPLACE = "search_replace"
    """Blocks of lines to find, and of lines that take their place."""


class Scheduler(StrEnum):
    """Who runs the jobs."""

    LOCAL = "local"
    """This machine."""
    SLURM = "slurm"
    """A Slurm cluster, through sbatch."""


class Sandbox(StrEnum):
    """What shields the node and its data from candidate code."""

    AUTO = "auto"
    """Bubblewrap where it works; without it only airr's own catalogue may run."""
    BUBBLEWRAP = "bubblewrap"
    """Bubblewrap, or the run is refused."""
    NONE = "none"
    """Nothing: candidates run with all of the user's rights. Said in every report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What the scorer measures.

    `plausible` are bounds outside which a score is withheld, and so is one that beats the best by
    more than `jump` standard deviations of all; 0 means never.
    """

    name: str
    unit: str
    direction: Direction
    reward: RewardFormula
    plausible: tuple[float, float]
    jump: float

    def is_better(self, metric: float, than: float) -> bool:
        """Tell whether one value of this metric beats another."""
        return metric < than if self.direction is Direction.MINIMIZE else metric > than

    def gain(self, metric: float, over: float) -> float:
        """Return by how much `metric` is better than `over`, in the metric's unit."""
        return over - metric if self.direction is Direction.MINIMIZE else metric - over

    def reward_of(self, metric: float) -> float:
        """Return the reward of a value of this metric."""
        return 1 / metric if self.reward is RewardFormula.INVERSE else metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The seconds-long run at toy scale that a patch must survive before it gets a node."""

    train: Command
    train_data: str
    sealed_data: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """How an environment's data is made."""

    argv: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """A research environment: a codebase to improve, and how candidates are run and scored."""

    name: str
    folder: str
    title: str
    train_data: str
    sealed_data: str
    editable: tuple[str, ...]
    train: Command
    score: Command
    score_settings: dict[str, Any]
    preflight: Preflight
    prepare: Prepare
    checkpoint: str
    checkpoint_limit_mb: float
    patch_limit_kb: float
    budget_seconds: float
    score_seconds: float
    nodes: int
    gpus: int
    cpus: int
    memory_gb: float
    disk_gb: float
    metric: Metric

    def reserved(self, codebase: Iterable[str]) -> list[str]:
        """Return what no change may touch: closed files of the codebase, and the sealed scorer."""
        closed = [
            path
            for path in sorted(codebase)
            if not any(fnmatch.fnmatchcase(path, pattern) for pattern in self.editable)
        ]
        own = "{env}/"
        return closed + [word.removeprefix(own) for word in self.score.argv if word.startswith(own)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A model in one of its two roles, and where it is asked.

    `thinking_tokens` of 0 means no thinking; `concurrency` bounds the requests under way at once.
    """

    provider: str
    base_url: str | None
    concurrency: int
    model: str
    temperature: float
    max_tokens: int
    thinking_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Llm:
    """Who proposes and who implements.

    `provider`, `base_url` and `concurrency` are those of a role that names no others. With `batch`
    first questions go out in batches, where a provider takes them.
    """

    provider: str
    base_url: str | None
    concurrency: int
    batch: bool
    ideator: Role
    implementer: Role

    @property
    def is_offline(self) -> bool:
        """Tell whether the catalogue answers for both roles, and no model is asked."""
        return {self.ideator.provider, self.implementer.provider} == {OFFLINE}

    @property
    def roles(self) -> dict[str, Role]:
        """Return both roles by their names as settings."""
        return {"ideator": self.ideator, "implementer": self.implementer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How the next ideas are chosen. `strategy` names a module of airr/researcher."""

    name: str
    epochs: int
    ideas_per_epoch: int
    ideas_per_call: int
    history_in_prompt: int
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Implement:
    """How hard the implementer tries: parallel samples, and self-revisions of each.

    After a crash in less than `repair_seconds` of training, a patch is mended and run again, at
    most `repair_runs` times.
    """

    format: PatchFormat
    samples: int
    revisions: int
    repair_runs: int
    repair_seconds: float
    concurrent_ideas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a campaign may use up at most, all of its starts together. None bounds nothing."""

    usd: float | None
    llm_calls: int | None
    gpu_hours: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where jobs run. Under `cluster` stand these settings and those of the scheduler itself."""

    scheduler: Scheduler
    sandbox: Sandbox
    max_retries: int
    """Further attempts after the infrastructure failed a run."""
    preflights: int
    """Preflights side by side on the head's machine."""
    tick_seconds: float
    """Between two looks at the queue and the inbox."""
    gather_seconds: float
    """How long a codebase may wait for others to go out with, while tasks of ours are queued."""
    lost_after_seconds: float
    """How long a job may be off the queue without a result: shared files show up late."""
    own: LocalSettings | SlurmSettings
    """The settings that only this scheduler has."""

    @property
    def pack(self) -> int:
        """Return how many runs may share an array task."""
        return self.own.pack if isinstance(self.own, SlurmSettings) else 1

    @property
    def pack_wait(self) -> float:
        """Return how many seconds a run may wait for others to share its task."""
        return self.own.pack_wait if isinstance(self.own, SlurmSettings) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """This machine as a cluster. `slots` of 0 means as many runs at once as its CPUs allow."""

    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where codebases of an environment are run, and the name under which."""

    campaign: str
    seed: int
    root: str
    data: str
    env: Env
    cluster: Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Bench):
    """A whole campaign."""

    prompts: str | None
    prices: str | None
    llm: Llm
    search: Search
    implement: Implement
    budget: Budget


AnyBench = TypeVar("AnyBench", bound=Bench)


def parse_config(raw: Mapping[str, Any]) -> Config:
    """Return the typed form of a campaign's composed configuration.

    Raises:
        ConfigError: a key is unknown, missing, ill-typed or out of range; the message names it.
    """
    config = parse_bench(Config, raw)
    _check_ranges(config)
    return config


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
    _check_sizes(config)
    return config


def parse_cluster(raw: Mapping[str, Any]) -> Cluster:
    """Return the typed form of the settings below `cluster`.

    Raises:
        ConfigError: as `parse_config`.
    """
    return parse(Cluster, _with_own_settings(raw), at="cluster.")


def _with_own_settings(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return `cluster` with what only its scheduler knows moved below `own`, and parsed."""
    common = {field.name for field in fields(Cluster)}
    shared = {name: value for name, value in cluster.items() if name in common}
    rest = {name: value for name, value in cluster.items() if name not in common}
    kind = SlurmSettings if cluster.get("scheduler") == Scheduler.SLURM else LocalSettings
    return {**shared, "own": parse(kind, rest, at="cluster.")}


def parse(kind: type[Settings], raw: Mapping[str, Any], at: str = "") -> Settings:
    """Return `raw` as the dataclass `kind`, refusing whatever does not fit it by name.

    `at` is where `raw` stands in the configuration, such as `cluster.`.
    """
    _check_keys(kind, raw, at)
    hooks = {float: _as_float, dict[str, str]: _as_words}
    strict = dacite.Config(strict=True, cast=[StrEnum, tuple], type_hooks=hooks)
    try:
        return dacite.from_dict(kind, raw, strict)
    except dacite.WrongTypeError as error:
        raise ConfigError(
            f"{at}{error.field_path}={error.value!r} does not fit: "
            f"it takes {_type_name(error.field_type)}"
        ) from error
    except (dacite.DaciteError, ValueError) as error:
        raise ConfigError(f"the configuration does not fit: {error}") from error


def _as_float(value: Any) -> Any:
    """Let a whole number stand where a float is asked for; leave the rest to be refused."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_words(value: Any) -> Any:
    """Let a number stand where an environment variable's text is asked for."""
    if not isinstance(value, dict):
        return value
    items: dict[Any, Any] = value
    return {str(name): str(word) for name, word in items.items()}


def _type_name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)


def _check_keys(kind: type, raw: Mapping[str, Any], at: str) -> None:
    """Refuse unknown and missing keys, with the full dotted name and the nearest known one."""
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    for key in raw.keys() - known:
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {at}{near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        raise ConfigError(f"unknown setting {at}{key}: {hint}")
    for name in sorted(known - raw.keys()):
        raise ConfigError(f"setting {at}{name} is missing")
    for name, value in raw.items():
        _check_choice(hints[name], value, f"{at}{name}")
        nested = [t for t in (hints[name], *get_args(hints[name])) if is_dataclass(t)]
        if nested and isinstance(value, Mapping):
            _check_keys(nested[0], value, at=f"{at}{name}.")  # pyright: ignore


def _check_choice(hint: Any, value: Any, name: str) -> None:
    if isinstance(hint, type) and issubclass(hint, StrEnum) and value not in set(hint):
        raise ConfigError(f"{name}={value}: choose one of {', '.join(hint)}")


def _check_ranges(config: Config) -> None:
    at_least_one = {
        "search.epochs": config.search.epochs,
        "search.ideas_per_epoch": config.search.ideas_per_epoch,
        "search.ideas_per_call": config.search.ideas_per_call,
        "implement.samples": config.implement.samples,
        "implement.concurrent_ideas": config.implement.concurrent_ideas,
        **{f"llm.{name}.concurrency": role.concurrency for name, role in config.llm.roles.items()},
    }
    not_negative: dict[str, float] = {
        "implement.revisions": config.implement.revisions,
        "implement.repair_runs": config.implement.repair_runs,
    }
    not_negative |= {
        f"budget.{name}": bound
        for name, bound in asdict(config.budget).items()
        if bound is not None
    }
    for role in config.llm.roles.values():
        _check_url(role.base_url)
    _refuse_small(at_least_one, not_negative)


def _check_sizes(bench: Bench) -> None:
    at_least_one = {
        "env.nodes": bench.env.nodes,
        "env.cpus": bench.env.cpus,
        "cluster.pack": bench.cluster.pack,
    }
    not_negative: dict[str, float] = {
        "cluster.max_retries": bench.cluster.max_retries,
        "env.gpus": bench.env.gpus,
        "cluster.pack_wait": bench.cluster.pack_wait,
    }
    if isinstance(bench.cluster.own, LocalSettings):
        not_negative["cluster.slots"] = bench.cluster.own.slots
    _refuse_small(at_least_one, not_negative)
    if bench.cluster.pack > 1 and bench.env.nodes > 1:
        raise ConfigError(
            f"cluster.pack={bench.cluster.pack} puts several runs on one node, but a run of "
            f"env={bench.env.name} takes {bench.env.nodes} whole ones: set cluster.pack=1"
        )


def _refuse_small(at_least_one: Mapping[str, int], not_negative: Mapping[str, float]) -> None:
    for name, value in at_least_one.items():
        if value < 1:
            raise ConfigError(f"{name}={value}: it must be at least 1")
    for name, value in not_negative.items():
        if value < 0:
            raise ConfigError(f"{name}={value}: it must not be negative")


def _check_url(url: str | None) -> None:
    if url is None:
        return
    if "@" in urlsplit(url).netloc:
        raise ConfigError(
            "llm.base_url holds a password, which would be kept in campaign.yaml: put the key into "
            "ANTHROPIC_API_KEY or OPENAI_API_KEY, and only the address here"
        )
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"llm.base_url={url}: it begins with http:// or https://")
