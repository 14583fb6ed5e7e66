"""Where campaigns stand -> what a terminal shows of it, and the one document for scripts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.text import Text

from airr.display.tables import (
    UNSHIELDED,
    Row,
    baseline_row,
    best_table,
    counted,
    failure_line,
    gain_in_words,
    members_line,
    number,
    spend_lines,
    with_warning,
)
from airr.reporting.standing import (
    BEATS_WITHIN_SECONDS,
    Leader,
    Learning,
    Measurement,
    Open,
    Standing,
    State,
    Unreadable,
)

AnyStanding = Standing | Measurement | Unreadable


def document_of(standings: Sequence[AnyStanding], *, made_at: str, version: str) -> dict[str, Any]:
    """Return what `json=true` prints; its keys are those of the report's JSON, where both have one.

    `made_at` is a time in UTC.
    """
    campaigns: list[dict[str, Any]] = []
    for standing in standings:
        tree = asdict(standing)
        if isinstance(standing, Standing):
            for leader, shown in zip(standing.best, tree["best"], strict=True):
                shown["title"] = leader.title.within()
        campaigns.append(tree)
    return {"made_at": made_at, "airr_version": version, "campaigns": campaigns}


def shown(standing: AnyStanding) -> Group:
    """Return where one campaign stands, for a terminal."""
    match standing:
        case Unreadable():
            return Group(Text(f"{standing.name}: {standing.why}\n"))
        case Measurement():
            return Group(Text(_measurement(standing)))
        case Standing():
            return _search(standing)


def _search(standing: Standing) -> Group:
    lines = [
        f"{standing.name}: {_state(standing.state, standing.why)}",
        f"  epoch {standing.epoch + 1} of {standing.epochs_wanted}; "
        f"{standing.ideas} ideas proposed, "
        f"{standing.scored} scored, {failure_line(standing.failures, standing.dropped)}",
        *(
            f"  held    {idea} until it is verified: {why}"
            for idea, why in standing.withheld.items()
        ),
        *([f"  paid    {members_line(standing.members)}"] if standing.members else []),
        *([] if standing.shielded else [f"  candidates run {UNSHIELDED}"]),
        *([] if standing.state is State.IMPORTED else _work(standing)),
    ]
    text = with_warning("\n".join(lines))
    rows = [_row(leader) for leader in standing.best]
    if base := standing.baseline:
        rows.insert(0, baseline_row(number(base.metric, base.error), base.seeds))
    return Group(text, best_table(rows, standing.metric.name)) if rows else Group(text)


def _work(standing: Standing) -> list[str]:
    """Return what is under way, and what was spent: nothing of it here, where others measured."""
    hours = f"{standing.gpu_hours:.1f} GPU-hours"
    if standing.gpu_hours_to_come:
        hours += f" spent; at most {standing.gpu_hours_to_come:.1f} GPU-hours to come"
    return [
        f"  {_open(standing.open)}",
        *([_learning(standing.learning)] if standing.learning else []),
        *(f"  {line}" for line in spend_lines(standing.spent)),
        f"  {hours}",
    ]


def _row(leader: Leader) -> Row:
    gain = leader.gain
    return Row(
        id=leader.id,
        score=number(leader.score.metric, leader.score.error),
        gain=gain_in_words(gain.value, gain.error, is_noise=gain.is_noise) if gain else "",
        seeds=leader.score.seeds,
        title=leader.title,
        style="green" if gain and gain.value > 0 and not gain.is_noise else "",
    )


def _measurement(standing: Measurement) -> str:
    return (
        f"{standing.name}: {_state(standing.state, standing.why)}\n"
        f"  a measurement: {standing.runs} of {standing.runs_wanted} runs done, "
        f"{standing.scored} scored, {failure_line(standing.failures)}\n"
        f"  {_open(standing.open)}\n"
        f"  {standing.gpu_hours:.1f} GPU-hours spent\n"
    )


def _state(state: State, why: str) -> str:
    if state is State.RUNNING:
        return f"{state} ({why})"
    return f"{state}: {why}" if why else str(state)


def _learning(learning: Learning) -> str:
    line = f"  policy: {learning.updates} of {counted(learning.updates_wanted, 'update')}"
    if learning.open:
        said = f": {learning.said}" if learning.said else ""
        line += f"; its job {', '.join(learning.open)} is out{said}"
    return line


def _open(runs: Open) -> str:
    if not runs.runs:
        return "no runs open"
    opened = f"{counted(runs.runs, 'run')} open"
    if runs.tasks < runs.runs:
        opened += f" in {counted(runs.tasks, 'task')}"
    if runs.said is None:
        return opened
    if not runs.silent:
        return f"{opened}: {runs.said}"
    return (
        f"{opened}; Slurm does not answer ({runs.said}); from the files: "
        f"{runs.beating} ran within the last {BEATS_WITHIN_SECONDS} s"
    )
