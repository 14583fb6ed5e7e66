"""Typed settings -> what is out of range, told by name before anything begins."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict
from urllib.parse import urlsplit

from airr.config import (
    Bench,
    Config,
    EarlyStopping,
    Env,
    LocalSettings,
    ScreenSettings,
    Search,
)
from airr.errors import ConfigError

Numbers = Mapping[str, float]

MOST_IDEAS = 10_000
"""Ideas of one epoch, and epochs: what is more is a slip of the hand."""
MOST_SEEDS = 100
"""Of one codebase; a verification begins its own far beyond them."""
LARGEST_SEED = 2**32 - 1
"""What every library that is seeded takes."""


def check_campaign(config: Config) -> None:
    """Check what a search has beside what every bench has.

    Raises:
        ConfigError: a value is out of range.
    """
    search, implement = config.search, config.implement
    sizes = {
        "search.epochs": search.epochs,
        "search.ideas_per_epoch": search.ideas_per_epoch,
    }
    at_least_one = {
        **sizes,
        "search.ideas_per_call": search.ideas_per_call,
        "search.baseline_seeds": search.baseline_seeds,
        "implement.samples": implement.samples,
        "implement.concurrent_ideas": implement.concurrent_ideas,
        **{f"llm.{name}.concurrency": role.concurrency for name, role in config.llm.roles.items()},
    }
    not_negative: dict[str, float] = {
        "implement.revisions": implement.revisions,
        "implement.repair_runs": implement.repair_runs,
        "implement.repair_seconds": implement.repair_seconds,
        "search.caution": search.caution,
        "search.repeats": search.repeats,
        "search.similarity": search.similarity,
        "search.history_in_prompt": search.history_in_prompt,
    }
    not_negative |= {
        f"budget.{name}": bound
        for name, bound in asdict(config.budget).items()
        if bound is not None
    }
    _refuse_below(1, at_least_one)
    _refuse_negative(not_negative)
    _refuse_above(MOST_IDEAS, sizes)
    _refuse_above(1, {"search.similarity": search.similarity})
    _refuse_above(
        MOST_SEEDS,
        {"search.repeats": search.repeats, "search.baseline_seeds": search.baseline_seeds},
    )
    for name, role in config.llm.roles.items():
        _check_url(role.base_url)
        if not role.model.strip():
            raise ConfigError(f"llm.{name}.model is empty: which model is it?")
    _check_strategy(search)
    _check_screen(search.screen, config)
    _check_early_stopping(search.early_stopping, config.env)


def check_bench(bench: Bench) -> None:
    """Check what runs take, and where.

    Raises:
        ConfigError: a value is out of range.
    """
    env, cluster = bench.env, bench.cluster
    at_least_one = {"env.nodes": env.nodes, "env.cpus": env.cpus, "cluster.pack": cluster.pack}
    positive = {
        "env.budget_seconds": env.budget_seconds,
        "env.score_seconds": env.score_seconds,
        "env.preflight.seconds": env.preflight.seconds,
        "env.memory_gb": env.memory_gb,
        "env.disk_gb": env.disk_gb,
        "env.checkpoint_limit_mb": env.checkpoint_limit_mb,
        "env.patch_limit_kb": env.patch_limit_kb,
        **{f"env.shortened_by.{name}": most for name, most in (env.shortened_by or {}).items()},
        "cluster.tick_seconds": cluster.tick_seconds,
    }
    not_negative: dict[str, float] = {
        "seed": bench.seed,
        "env.gpus": env.gpus,
        "env.metric.jump": env.metric.jump,
        "cluster.max_retries": cluster.max_retries,
        "cluster.gather_seconds": cluster.gather_seconds,
        "cluster.lost_after_seconds": cluster.lost_after_seconds,
        "cluster.pack_wait": cluster.pack_wait,
    }
    if isinstance(cluster.own, LocalSettings):
        not_negative["cluster.slots"] = cluster.own.slots
    _refuse_below(1, at_least_one)
    _refuse_negative(not_negative)
    _refuse_above(LARGEST_SEED, {"seed": bench.seed})
    for name, value in positive.items():
        if value <= 0:
            raise ConfigError(f"{name}={value}: it must be more than 0")
    commands = {"train": env.train, "score": env.score, "preflight.train": env.preflight.train}
    for name, command in commands.items():
        if not command.argv:
            raise ConfigError(f"env.{name}.argv is empty: it is the command that is run")
    if not env.editable:
        raise ConfigError("env.editable is empty: no patch could change a file")
    low, high = env.metric.plausible
    if low >= high:
        raise ConfigError(f"env.metric.plausible=[{low}, {high}]: the lower bound comes first")
    if cluster.pack > 1 and env.nodes > 1:
        raise ConfigError(
            f"cluster.pack={cluster.pack} puts several runs on one node, but a run of "
            f"env={env.name} takes {env.nodes} whole ones: set cluster.pack=1"
        )


def _check_strategy(search: Search) -> None:
    settings = {f"search.{name}": value for name, value in asdict(search.own).items()}
    counted = {"search.breadth", "search.islands", "search.parents", "search.refill"}
    _refuse_below(1, {name: value for name, value in settings.items() if name in counted})
    _refuse_negative(settings)
    for name, value in settings.items():
        if name.endswith("_share") and value > 1:
            raise ConfigError(f"{name}={value}: a share is at most 1")
    if not 0 <= search.overlap < 1:
        raise ConfigError(f"search.overlap={search.overlap}: it must be at least 0, and below 1")
    if search.overlap and search.name == "steady_state":
        raise ConfigError("search.overlap: search=steady_state has no epochs that could overlap")


def _check_screen(screen: ScreenSettings, config: Config) -> None:
    """Refuse a screen that would compare nothing, or save nothing."""
    env, own, rungs = screen.env or config.env, config.env, screen.rungs
    there, listed = f"search.screen.env={env.name}", f"search.screen.rungs={[*rungs]}"
    rising = all(a < b for a, b in itertools.pairwise((0.0, *rungs)))
    is_whole = rungs[-1:] == (1.0,)
    rules = (
        (
            env is not own and not rungs,
            f"{there} says where ideas are screened, and search.screen.rungs with which shares of "
            "its budget: all of it is [1]",
        ),
        (
            not rising or max((0.0, *rungs)) > 1 or (is_whole and env is own),
            f"{listed}: rungs are shares of the budget that rise, each above 0 and below 1; with "
            "search.screen.env the last may be 1",
        ),
        (
            not 0 < screen.promote < 1,
            f"search.screen.promote={screen.promote}: it must be above 0, and below 1",
        ),
        (
            env.folder != own.folder,
            f"{there} is the codebase envs/{env.folder}, and env={own.name} is envs/{own.folder}: "
            "patches of one do not fit the other",
        ),
        (
            env.metric.direction is not own.metric.direction,
            f"{there}: its {env.metric.name} ranks ideas the other way round",
        ),
        (
            bool(rungs) and rungs != (1.0,) and env.shortened_by is None,
            f"{listed}: a training of env={env.name} cannot be made shorter (env.shortened_by is "
            "null), so a screen would save nothing. Where the same codebase has a smaller scale: "
            "search.screen.env=NAME search.screen.rungs=[1]",
        ),
        (
            bool(rungs) and config.search.name == "steady_state",
            "search.screen: search=steady_state has no epochs, whose best could be promoted",
        ),
        (
            bool(rungs) and config.search.ideas_per_epoch == 1,
            "search.screen: of one idea an epoch there is no best share to promote",
        ),
        (
            config.cluster.pack > 1 and env.nodes > 1,
            f"{there} takes {env.nodes} whole nodes a run: set cluster.pack=1",
        ),
    )
    for is_broken, said in rules:
        if is_broken:
            raise ConfigError(said)


def _check_early_stopping(early: EarlyStopping, env: Env) -> None:
    """Refuse bounds that end nothing, or everything."""
    quantile = early.quantile
    if quantile is not None and not 0 < quantile <= 1:
        raise ConfigError(
            f"search.early_stopping.quantile={quantile}: it must be above 0, at most 1"
        )
    if not 0 <= early.from_share < 1:
        raise ConfigError(
            f"search.early_stopping.from_share={early.from_share}: it must be at least 0, below 1"
        )
    _refuse_below(2, {"search.early_stopping.curves": early.curves})
    if quantile is not None and env.curve is None:
        raise ConfigError(
            f"search.early_stopping: the log of env={env.name} shows no curve (env.curve is null)"
        )


def _refuse_below(least: int, numbers: Numbers) -> None:
    for name, value in numbers.items():
        if value < least:
            raise ConfigError(f"{name}={value}: it must be at least {least}")


def _refuse_above(most: int, numbers: Numbers) -> None:
    for name, value in numbers.items():
        if value > most:
            raise ConfigError(f"{name}={value}: it must be at most {most}")


def _refuse_negative(numbers: Numbers) -> None:
    for name, value in numbers.items():
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
