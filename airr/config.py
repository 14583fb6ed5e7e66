"""The settings of a campaign, typed. Their defaults live in conf/ alone; `parsing` checks them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airr.batch import Command
from airr.cluster.slurm_settings import SlurmSettings

OFFLINE = "offline"
"""The provider that asks no model."""
IDEATOR = "ideator"
"""The first who proposes; llm.ensemble names the others."""


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
    score_settings: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """How an environment's data is made."""

    argv: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvCurve:
    """The number in a log's lines `step 20/200 ... NAME 4.17` that tells how training goes."""

    name: str
    direction: Direction


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
    curve: EnvCurve | None
    budget_seconds: float
    shortened_by: dict[str, float] | None
    """Variables of training, with their values in a full run; a shorter one gets its share of them.

    Empty where training keeps to its deadline; None where it cannot be made shorter.
    """
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
    first questions go out in batches, where a provider takes them. `ensemble` are further models
    that propose, by the names that the user gave them.
    """

    provider: str
    base_url: str | None
    concurrency: int
    batch: bool
    ideator: Role
    ensemble: dict[str, Role]
    implementer: Role

    @property
    def is_offline(self) -> bool:
        """Tell whether the catalogue answers for all roles, and no model is asked."""
        return {role.provider for role in self.roles.values()} == {OFFLINE}

    @property
    def ideators(self) -> dict[str, Role]:
        """Return all who propose, by their names: the ideator first."""
        return {IDEATOR: self.ideator, **self.ensemble}

    @property
    def roles(self) -> dict[str, Role]:
        """Return every role by its name as a setting."""
        further = {f"ensemble.{name}": role for name, role in self.ensemble.items()}
        return {IDEATOR: self.ideator, **further, "implementer": self.implementer}


class Base(StrEnum):
    """What an idea that exploits is implemented on."""

    BASELINE = "baseline"
    """The unmodified codebase, as in the paper: the patch holds all of the idea."""
    PARENT = "parent"
    """The codebase of the first parent: the patch holds what is new, and gains add up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings:
    """What a strategy has that needs no settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadySettings:
    """How search=steady_state fills nodes: by `refill` ideas, once as many have ended."""

    refill: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSettings:
    """How search=tree divides an epoch: drafts first, then `debug_share`, then the best nodes."""

    drafts: int
    debug_share: float
    debug_depth: int
    breadth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandsSettings:
    """How search=islands keeps populations apart. `migrate_every` counts epochs; 0 is never."""

    islands: int
    exploit_share: float
    parents: int
    migrate_every: int
    migrants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSettings:
    """How ideas are tried before they get a full run: at rungs, each a share of the budget.

    Of what a rung scores the best share `promote` goes on. `env` is the environment of the rungs;
    None is the campaign's own.
    """

    rungs: tuple[float, ...]
    promote: float
    env: Env | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """When a training is ended for its curve: where that is worse than a quantile of earlier ones.

    Not before `from_share` of its steps, and not before there are so many `curves`. A `quantile` of
    None ends none.
    """

    quantile: float | None
    from_share: float
    curves: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How the next ideas are chosen. `name` is that of a module of airr/researcher."""

    name: str
    epochs: int
    ideas_per_epoch: int
    ideas_per_call: int
    history_in_prompt: int
    similarity: float
    base: Base
    caution: float
    repeats: int
    """Further seeds with which an idea that beats the baseline is run before others build on it."""
    baseline_seeds: int
    """With how many seeds the unmodified codebase is run."""
    overlap: float
    """The share of an epoch that may still run when the next one is proposed."""
    screen: ScreenSettings
    early_stopping: EarlyStopping
    own: NoSettings | SteadySettings | TreeSettings | IslandsSettings
    """The settings that only this strategy has; in the configuration they stand among the rest."""


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


class WandbMode(StrEnum):
    """Whether a campaign is mirrored to Weights & Biases."""

    AUTO = "auto"
    """Online where there is a key, or as WANDB_MODE says; else not at all."""
    ONLINE = "online"
    """To the server, while the campaign runs. Without a key, not at all."""
    OFFLINE = "offline"
    """Into files below the campaign's folder, which `wandb sync` sends."""
    DISABLED = "disabled"
    """Not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wandb:
    """Where on Weights & Biases a campaign is mirrored to; no entity means the key's own."""

    mode: WandbMode
    project: str
    entity: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Bench):
    """A whole campaign."""

    prompts: str | None
    prices: str | None
    llm: Llm
    search: Search
    implement: Implement
    budget: Budget
    wandb: Wandb
