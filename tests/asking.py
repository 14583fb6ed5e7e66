"""Whoever asks models, put together around a test's own way of answering."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from airr.config import IDEATOR, Implement, Role, Search
from airr.executor.codebases import Tree
from airr.executor.patches import Checks, Implementer
from airr.executor.questions import Questions as PatchQuestions
from airr.llm.protocol import Request
from airr.parsing import parse_config
from airr.prompts import Prompts
from airr.researcher.ideas import Ask, Ideator
from airr.researcher.questions import Questions as IdeaQuestions
from tests import builders, toy
from tests.test_config import composed

ENV = parse_config(composed()).env


def ideator(
    ask: Ask,
    *,
    role: Role = builders.ROLE,
    ensemble: Mapping[str, Role] = MappingProxyType({}),
    search: Search = builders.SEARCH,
    codebase: Tree | None = None,
) -> Ideator:
    """Return who proposes ideas, for the toy environment unless a codebase is given."""
    questions = IdeaQuestions(
        task="Make the loss small.",
        codebase=codebase or toy.tree(),
        reserved=["sealed/score.py"],
        metric=builders.LOSS,
        ideators={IDEATOR: role, **ensemble},
        base=search.base,
        prompts=Prompts(),
        seed=0,
    )
    return Ideator(
        questions, metric=builders.LOSS, search=search, ask=ask, now=lambda: builders.NOON
    )


def implementer(
    ask: Callable[[Request], Any],
    *,
    preflight: Checks,
    holds: Callable[[Request], bool] = lambda _: False,
    role: Role = builders.ROLE,
    how: Implement = builders.IMPLEMENT,
    baseline: Tree | None = None,
) -> Implementer:
    """Return who writes patches, of the toy environment unless a baseline is given."""
    baseline = baseline or toy.tree()
    questions = PatchQuestions(
        env=ENV,
        task="Make VALUE small.",
        baseline=baseline,
        role=role,
        how=how,
        prompts=Prompts(),
        seed=0,
    )
    return Implementer(
        questions,
        env=ENV,
        baseline=baseline,
        how=how,
        ask=ask,
        holds=holds,
        preflight=preflight,
        now=lambda: builders.NOON,
    )
