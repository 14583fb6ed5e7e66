"""A running campaign on the screen: a few calm lines on a terminal, plain ones in a log."""

from __future__ import annotations

import logging
import shlex
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from airr.cluster.protocol import TaskState
from airr.config import Sandbox
from airr.display.epochs import epochs_table, policy_line
from airr.display.learning import learning_of, way_of_learning, who_proposed
from airr.display.lines import epoch_line, outcome_line
from airr.display.news import News, watching
from airr.display.screen import Screen
from airr.display.tables import (
    UNSHIELDED,
    baseline_row,
    best_table,
    counted,
    duration,
    failure_line,
    gain_text,
    members_line,
    number,
    row_of,
    spend_lines,
    time_line,
    with_warning,
    withheld_lines,
)
from airr.estimates import seeds_of, settled
from airr.executor.executor import Step
from airr.head import Head
from airr.policy.progress import epochs_of
from airr.records import BASELINE, Scored, Wanted, trials_of
from airr.reinforcement import Reinforcement
from airr.researcher.bandit import records_of
from airr.summary import best_ideas, dropped, failures, time_spent, withheld
from airr.titles import title_of
from airr.totals import preflight_seconds_in

BEST_SHOWN = 10
WARNINGS_APART_SECONDS = 15
"""Between two warnings on the screen; all of them stand in airr.log."""


@asynccontextmanager
async def follow(head: Head, arguments: Sequence[str]) -> AsyncGenerator[None]:
    """Show what a campaign does while the body runs it, and what came of it afterwards.

    `arguments` are those of the command line, for the one that goes on from here.
    """
    console = Screen()
    console.print(opening(head), soft_wrap=True)
    begun = {idea.epoch for idea in head.book.ideas.values()}
    news: News[Wanted | int] = News(console, [*head.book.outcomes, *begun])
    had, goes_on = len(head.book.outcomes), bool(head.book.runs)
    warnings = _Warnings(news)
    logging.getLogger("airr").addHandler(warnings)
    try:
        async with watching(
            console,
            lambda: _tell(news, head),
            lambda: _panel(head, news.seconds),
        ):
            yield
    finally:
        logging.getLogger("airr").removeHandler(warnings)
    if had == len(head.book.outcomes) and not head.campaign.stopped:
        console.print(f"\n{_nothing_left(head)}")
    console.print(closing(head, news.seconds, arguments, goes_on=goes_on), soft_wrap=True)


def tell_of_wandb(head: Head) -> None:
    """Say what was mirrored, once the head has let go of its campaign: the last is sent then."""
    if head.tracker.told:
        Screen().print(Text(f"wandb   {head.tracker.told}"), soft_wrap=True)


def _tell(news: News[Wanted | int], head: Head) -> None:
    """Tell of new outcomes, and then of epochs that have begun."""
    epochs = {idea.epoch for idea in head.book.ideas.values()}
    news.tell(
        [*head.book.outcomes, *sorted(epochs)],
        lambda key: epoch_line(head, key) if isinstance(key, int) else outcome_line(head, key),
    )


def _nothing_left(head: Head) -> str:
    """Return why there was nothing to do: all is done, or fewer epochs are asked for than begun."""
    campaign, asked = f"campaign {head.workspace.name}", head.config.search.epochs
    epochs, begun = counted(asked, "epoch"), _epochs_done(head)
    if begun == asked:
        return f"{campaign} is complete: nothing was left to do in its {epochs}"
    goes_on = f"{way_of_learning(head.config)[1]}={begun} goes on with those"
    return f"nothing was left to do in {epochs} of {campaign}, which has {begun}: {goes_on}"


class _Warnings(logging.Handler):
    """Shows what the log warns of, now and then: an endpoint without an answer, lost jobs."""

    def __init__(self, news: News[Wanted | int]) -> None:
        super().__init__(level=logging.WARNING)
        self._news = news
        self._quiet_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + WARNINGS_APART_SECONDS
        with suppress(BrokenPipeError):  # that nobody reads on ends no campaign
            self._news.say(record.getMessage())


def opening(head: Head) -> Text:
    """Return the first lines: what was chosen, so that `auto` is no secret."""
    config = head.config
    cluster, env = config.cluster, config.env
    shield = f"candidates run {UNSHIELDED}" if cluster.sandbox is Sandbox.NONE else ""
    where = f"{cluster.scheduler}: {head.place}; {env.cpus} CPU and {env.gpus} GPU per run"
    if cluster.pack > 1:
        where += f", up to {cluster.pack} runs on a node"
    lines = [
        f"campaign  {head.workspace.folder}",
        f"env       {env.name}: {env.title}",
        f"cluster   {where}; {shield or f'sandbox {cluster.sandbox}'}",
        *(f"{name:<10}{said}" for name, said in learning_of(config).items()),
        f"wandb     {head.tracker.in_words}",
    ]
    if head.book.runs:
        ended = sum(idea in head.book.ideas for idea in settled(head.book.outcomes))
        lines.append(
            f"goes on   with {counted(len(head.book.ideas), 'idea')}, {ended} of them ended"
        )
    return with_warning("\n".join(lines) + "\n")


def closing(
    head: Head, seconds: float, arguments: Sequence[str], *, goes_on: bool = False
) -> Group:
    """Return the last lines: the best ideas, what failed, where the time went, what to do next.

    `seconds` are those of this head, which `goes_on` with what an earlier one began.
    """
    book, metric, folder = head.book, head.config.env.metric, head.workspace.folder
    outcomes = settled(book.outcomes)
    baseline = outcomes.get(BASELINE)
    if not isinstance(baseline, Scored):
        return Group(Text(head.campaign.stopped))
    ideas = {idea_id: outcome for idea_id, outcome in outcomes.items() if idea_id != BASELINE}
    best = best_ideas(book.ideas, outcomes, metric, BEST_SHOWN)
    stages = time_spent(
        spends=book.spends(),
        preflight_seconds=preflight_seconds_in(head.workspace.ledger),
        runs=book.runs.values(),
        screens=book.screens.values(),
        outcomes=book.outcomes.values(),
        updates=book.updates.values(),
    )
    scored = sum(isinstance(outcome, Scored) for outcome in ideas.values())
    failed = failure_line(failures(ideas), dropped(ideas))
    left = len(book.ideas) - len(ideas)
    lines = [
        f"{counted(len(book.ideas), 'idea')}: {scored} scored, {failed}"
        + (f"; {left} not tried to their end" if left else ""),
        *withheld_lines(withheld(ideas)),
        f"took    {duration(seconds)}{' since it went on' if goes_on else ''}",
        f"stages  {time_line(stages)}",
        f"spent   {_spent(head)}",
        f"ledger  {head.workspace.ledger} (Python: airr.ledger.load('{folder}'))",
        f"next    python -m airr.status campaign={folder}   how it stands",
    ]
    if head.config.cluster.sandbox is Sandbox.NONE:
        lines.append(f"trust   candidates ran {UNSHIELDED}")
    if head.campaign.stopped:
        lines.insert(0, f"stopped {head.campaign.stopped}")
    else:
        verb, setting = way_of_learning(head.config)
        more = command_for(arguments, verb, setting, epochs=_epochs_done(head) + 2)
        lines.append(f"        {more}   two epochs more")
    if proposed := who_proposed(head.config, book.ideas.values()):
        lines.insert(1, f"ideas   {proposed}")
    trials = trials_of(book.ideas.values(), outcomes)
    if records := records_of(trials, baseline, metric):
        lines.insert(1, f"paid    {members_line(records)}")
    texts, seeds = {idea.id: idea.text for idea in book.ideas.values()}, seeds_of(book.outcomes)
    reference = number(baseline.metric, baseline.standard_error)
    rows = [
        baseline_row(reference, seeds[BASELINE]),
        *(row_of(one, seeds, title_of(one.idea.id, texts)) for one in best),
    ]
    if head.tracker.is_on:
        lines.append("wandb   sending what is new; Ctrl-C leaves it to the next time")
    table = best_table(rows, metric.name)
    learned = [epochs_table(epochs_of(book), metric)] if book.updates else []
    return Group(*learned, table, with_warning("\n".join(lines)))


def command_for(arguments: Sequence[str], verb: str, setting: str, *, epochs: int) -> str:
    """Return the command line that goes on with a campaign, for a shell, to so many epochs."""
    replaced = (f"{setting}=", "fork=")
    kept = [argument for argument in arguments if not argument.startswith(replaced)]
    return shlex.join(["python", "-m", f"airr.{verb}", *kept, f"{setting}={epochs}"])


def _spent(head: Head) -> str:
    """Return what was spent on models by each role, and on GPUs, on lines of their own."""
    lines = [*spend_lines(head.book.spends()), f"{head.book.gpu_hours():.1f} GPU-hours"]
    return "\n        ".join(lines)


def _epochs_done(head: Head) -> int:
    """Return the epochs that exist, which may be more than this start asked for."""
    proposed = (idea.epoch + 1 for idea in head.book.ideas.values())
    return max(head.config.search.epochs, *proposed)


def _panel(head: Head, seconds: float) -> Group:
    """Return the live display: epoch, ideas by step, runs, best against baseline, spend."""
    book, config = head.book, head.config
    epoch = head.campaign.epoch
    ideas = book.ideas_of(epoch)
    steps = Counter(head.campaign.executor.steps.get(idea.id, Step.WAITING) for idea in ideas)
    states = Counter(run.state for run in head.scheduler.open.values())
    outcomes = settled(book.outcomes)
    ended = {key: outcome for key, outcome in outcomes.items() if key != BASELINE}
    best = best_ideas(book.ideas, outcomes, config.env.metric, 1)
    baseline = outcomes.get(BASELINE)
    done, total = steps[Step.DONE], config.search.ideas_per_epoch
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"epoch {epoch + 1}/{config.search.epochs}",
        ProgressBar(total=total, completed=done, width=30),
        f"{done}/{total} ideas",
    )
    table.add_row("ideas", ", ".join(f"{steps[step]} {step}" for step in Step) or "asked for")
    table.add_row(
        "runs",
        f"{states[TaskState.RUNNING]} running, {states[TaskState.PENDING]} queued; "
        f"{failure_line(failures(ended), dropped(ended))}",
    )
    if isinstance(baseline, Scored):
        lead = f"{gain_text(best[0])} by {best[0].idea.id}" if best else "no idea scored yet"
        shown = number(baseline.metric, baseline.standard_error)
        table.add_row("best", f"{lead} against the baseline's {config.env.metric.name} {shown}")
    else:
        table.add_row("best", "measuring the baseline")
    if isinstance(head.campaign, Reinforcement):
        table.add_row("policy", policy_line(head.campaign))
    hours = f"{book.gpu_hours():.1f} GPU-hours"
    table.add_row("spent", f"{duration(seconds)}, {hours}")
    for line in spend_lines(book.spends()):
        table.add_row("", line)
    return Group(table)
