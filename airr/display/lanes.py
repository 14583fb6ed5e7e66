"""Campaigns side by side: one line for each while they run, one table to compare them by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from airr.cluster.protocol import TaskState
from airr.display.lines import outcome_line
from airr.display.news import News, watching
from airr.display.screen import Screen
from airr.display.tables import counted, duration, gain_text, number, usd_text
from airr.display.turned import told_of
from airr.estimates import settled
from airr.executor.executor import Step
from airr.head import Head
from airr.records import BASELINE, Scored, Wanted
from airr.summary import Best, best_ideas, together
from airr.sweep import Lane


@asynccontextmanager
async def follow(lanes: Sequence[Lane]) -> AsyncGenerator[None]:
    """Show what campaigns do while the body runs them, and how they compare afterwards."""
    console = Screen()
    folders = "".join(f"\n  {lane.folder}" for lane in lanes)
    beside = " side by side" if len(lanes) > 1 else ""
    console.print(f"{counted(len(lanes), 'campaign')}{beside}:{folders}\n", soft_wrap=True)
    news: News[tuple[str, Wanted]] = News(console)

    def tell() -> None:
        heads = {lane.config.campaign: lane.head for lane in lanes if lane.head}
        news.tell(
            [(name, wanted) for name, head in heads.items() for wanted in head.book.outcomes],
            lambda key: f"{key[0]}  {outcome_line(heads[key[0]], key[1])}",
        )

    async with watching(console, tell, lambda: _panel(lanes, news.seconds)):
        yield
    console.print(closing(lanes), soft_wrap=True)


def closing(lanes: Sequence[Lane]) -> Group:
    """Return how campaigns compare, what turns did, and what ended those that failed."""
    turns = [told_of(lane.head, lane.turn) for lane in lanes if lane.head and lane.turn]
    failed = [f"{lane.config.campaign} failed: {lane.failure}" for lane in lanes if lane.failure]
    stopped = [
        f"{lane.config.campaign} stopped: {lane.head.campaign.stopped}"
        for lane in lanes
        if lane.head and lane.head.campaign.stopped and not lane.turn
    ]
    sent = [
        f"{lane.config.campaign} on wandb: {lane.head.tracker.told}"
        for lane in lanes
        if lane.head and lane.head.tracker.told
    ]
    return Group(comparison(lanes), Text("\n".join([*turns, *stopped, *failed, *sent])))


def comparison(lanes: Sequence[Lane]) -> Table:
    """Return one row for each campaign with its best idea, the largest gain first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("campaign", "ideas", "scored", "best", "score", "gain"):
        is_name = column == "campaign"  # a long one is folded, and no number is
        justify = "left" if column in {"campaign", "best"} else "right"
        table.add_column(column, justify=justify, no_wrap=not is_name, overflow="fold")
    ranked = [(lane, _best(lane.head) if lane.head else None) for lane in lanes]
    ranked.sort(key=lambda pair: -pair[1].gain if pair[1] else math.inf)
    for lane, best in ranked:
        table.add_row(*_row(lane, best))
    return table


def _row(lane: Lane, best: Best | None) -> tuple[str, ...]:
    if not lane.head:
        return (lane.config.campaign, "not run")
    ideas = [one for key, one in settled(lane.head.book.outcomes).items() if key != BASELINE]
    scored = sum(isinstance(outcome, Scored) for outcome in ideas)
    counts = (lane.config.campaign, str(len(ideas)), str(scored))
    if not best:
        return counts
    score = number(best.outcome.metric, best.outcome.standard_error)
    return (*counts, best.idea.id, score, gain_text(best))


def _best(head: Head) -> Best | None:
    found = best_ideas(head.book.ideas, settled(head.book.outcomes), head.config.env.metric, 1)
    return found[0] if found else None


def _panel(lanes: Sequence[Lane], seconds: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=duration(seconds))
    for column in ("campaign", "epoch", "ideas", "runs", "models", "best gain"):
        table.add_column(column)
    for lane in lanes:
        table.add_row(lane.config.campaign, *(_progress(lane.head) if lane.head else ()))
    return table


def _progress(head: Head) -> tuple[str, ...]:
    epoch, search = head.campaign.epoch, head.config.search
    steps = head.campaign.executor.steps
    done = sum(steps.get(idea.id) is Step.DONE for idea in head.book.ideas_of(epoch))
    states = Counter(run.state for run in head.scheduler.open.values())
    best = _best(head)
    return (
        f"{epoch + 1}/{search.epochs}",
        f"{done}/{search.ideas_per_epoch}",
        f"{states[TaskState.RUNNING]} running, {states[TaskState.PENDING]} queued",
        usd_text(together(head.book.spends().values())),
        gain_text(best) if best else "",
    )
