"""A running measurement on the screen: a line for each outcome, and what they come to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from rich.console import Group

from airr.config import Sandbox
from airr.display.news import News, watching
from airr.display.screen import Screen
from airr.display.tables import counted, number
from airr.forecast import hours_of
from airr.measuring import Measurement, Measuring, check_measurement
from airr.records import Codebase, Dropped, Failed


@asynccontextmanager
async def follow(
    measuring: Measuring, codebases: Sequence[Codebase], told: Callable[[Measuring], Group]
) -> AsyncGenerator[None]:
    """Say what is measured while the body measures it, and afterwards what `told` makes of it."""
    console = Screen()
    console.print(_opening(measuring, codebases), soft_wrap=True)
    outcomes = measuring.book.outcomes
    news = News(console, outcomes)
    async with watching(
        console, lambda: news.tell(outcomes, lambda wanted: news_of(measuring, *wanted))
    ):
        yield
    if not news.told:
        console.print("nothing was left to do")
    console.print(told(measuring), soft_wrap=True)


def foretold(config: Measurement, *, codebases: int) -> str:
    """Return what a measurement of so many codebases would take, for `+dry_run=true`.

    Raises:
        ConfigError: it would be refused.
    """
    check_measurement(config)
    env = config.env
    runs = codebases * config.seeds
    hours = hours_of(
        runs,
        nodes=env.nodes,
        gpus=env.gpus,
        budget_seconds=env.budget_seconds,
        score_seconds=config.plan.scorings * env.score_seconds,
    )
    return (
        "Dry run: nothing is created or submitted.\n\n"
        f"campaign  {config.root}/{config.campaign}\n"
        f"env       {env.name}: {env.title}\n"
        f"runs      {counted(codebases, 'codebase')} with {counted(config.seeds, 'seed')} each "
        f"({_seeds(config)}): {runs} runs, those that are done already included\n"
        f"GPU-hours {hours.gpu_most:.1f} at most, {hours.gpu_training:.1f} of them for training\n"
        f"node-hours {hours.node_most:.1f} at most"
    )


def _seeds(config: Measurement) -> str:
    return f"{config.seed} to {config.seed + config.seeds - 1}"


def _opening(measuring: Measuring, codebases: Sequence[Codebase]) -> str:
    config = measuring.config
    cluster, env = config.cluster, config.env
    unshielded = cluster.sandbox is Sandbox.NONE
    shield = "WITHOUT a sandbox" if unshielded else f"sandbox {cluster.sandbox}"
    return (
        f"campaign  {measuring.workspace.folder}\n"
        f"env       {env.name}: {env.title}\n"
        f"cluster   {cluster.scheduler}: {measuring.place}; "
        f"{env.cpus} CPU and {env.gpus} GPU per run; {shield}\n"
        f"runs      {counted(len(codebases), 'codebase')} with "
        f"{counted(config.seeds, 'seed')} each ({_seeds(config)})\n"
    )


def news_of(measuring: Measuring, idea_id: str, repeat: int) -> str:
    """Return what became of a run, on one line."""
    outcome = measuring.book.outcomes[idea_id, repeat]
    name = f"{idea_id} seed {measuring.config.seed + repeat}"
    if isinstance(outcome, Failed | Dropped):
        return f"{name}  failed ({outcome.reason} while {outcome.stage})"
    metric = measuring.config.metric
    return f"{name}  {metric.name} {number(outcome.metric, outcome.standard_error)}"
