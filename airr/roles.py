"""A config -> the two that ask models, ideator and implementer, put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from airr.config import Config
from airr.executor.codebases import read_tree
from airr.executor.patches import Checks, Implementer
from airr.executor.plans import env_folder
from airr.llm.protocol import Request
from airr.prompts import Prompts
from airr.researcher.ideas import Ask, Ideator


def ideator_of(config: Config, *, ask: Ask, now: Callable[[], datetime]) -> Ideator:
    """Return who proposes ideas for the environment of this config."""
    folder = env_folder(config)
    codebase = read_tree(folder / "codebase")
    return Ideator(
        task=(folder / "task.md").read_text(encoding="utf-8"),
        codebase=codebase,
        reserved=config.env.reserved(codebase),
        metric=config.env.metric,
        role=config.llm.ideator,
        search=config.search,
        ask=ask,
        prompts=Prompts(config.prompts),
        seed=config.seed,
        now=now,
    )


def implementer_of(
    config: Config,
    *,
    ask: Ask,
    holds: Callable[[Request], bool],
    preflight: Checks,
    now: Callable[[], datetime],
) -> Implementer:
    """Return who turns ideas into patches of that environment's codebase."""
    folder = env_folder(config)
    return Implementer(
        env=config.env,
        task=(folder / "task.md").read_text(encoding="utf-8"),
        baseline=read_tree(folder / "codebase"),
        role=config.llm.implementer,
        how=config.implement,
        ask=ask,
        holds=holds,
        preflight=preflight,
        prompts=Prompts(config.prompts),
        seed=config.seed,
        now=now,
    )
