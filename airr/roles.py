"""A config -> the two that ask models, ideator and implementer, and what they ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from airr.config import Config
from airr.executor.codebases import Tree, read_tree
from airr.executor.patches import Checks, Implementer
from airr.executor.plans import env_folder
from airr.executor.questions import Questions as PatchQuestions
from airr.llm.protocol import Request
from airr.prompts import Prompts
from airr.researcher.ideas import Ask, Ideator
from airr.researcher.questions import Questions as IdeaQuestions


def idea_questions(config: Config) -> IdeaQuestions:
    """Return what is asked for ideas about the environment of this config."""
    codebase = _codebase(config)
    return IdeaQuestions(
        task=_task(config),
        codebase=codebase,
        reserved=config.env.reserved(codebase),
        metric=config.env.metric,
        ideators=config.llm.ideators,
        base=config.search.base,
        prompts=Prompts(config.prompts),
        seed=config.seed,
    )


def patch_questions(config: Config) -> PatchQuestions:
    """Return what is asked for patches of that environment's codebase."""
    return PatchQuestions(
        env=config.env,
        task=_task(config),
        baseline=_codebase(config),
        role=config.llm.implementer,
        how=config.implement,
        prompts=Prompts(config.prompts),
        seed=config.seed,
    )


def ideator_of(config: Config, *, ask: Ask, now: Callable[[], datetime]) -> Ideator:
    """Return who proposes ideas."""
    return Ideator(
        idea_questions(config), metric=config.env.metric, search=config.search, ask=ask, now=now
    )


def implementer_of(
    config: Config,
    *,
    ask: Ask,
    holds: Callable[[Request], bool],
    preflight: Checks,
    now: Callable[[], datetime],
) -> Implementer:
    """Return who turns ideas into patches."""
    return Implementer(
        patch_questions(config),
        env=config.env,
        baseline=_codebase(config),
        how=config.implement,
        ask=ask,
        holds=holds,
        preflight=preflight,
        now=now,
    )


def _task(config: Config) -> str:
    return (env_folder(config) / "task.md").read_text(encoding="utf-8")


def _codebase(config: Config) -> Tree:
    return read_tree(env_folder(config) / "codebase")
