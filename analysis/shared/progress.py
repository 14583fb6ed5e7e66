"""Trials -> the best so far, after each of them. Failed ones leave it where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from analysis.shared.arms import Arm
from analysis.shared.campaigns import Campaign
from analysis.shared.intervals import Interval, of_mean
from analysis.shared.style import Look, draw_spread


def best_so_far(campaign: Campaign) -> pd.DataFrame:
    """Return the campaign's trials with columns best, best_idea and runs_so_far.

    `best` is NaN until an idea has a score. `runs_so_far` counts what was spent: one for each
    idea, failed ones included, and one for each further seed.
    """
    trials = campaign.trials
    counts = trials.metric.where(trials.status == "scored")
    best = counts.cummin() if campaign.minimizes else counts.cummax()
    best = best.ffill()
    sets_it = counts.notna() & (best != best.shift())
    return trials.assign(
        best=best,
        best_idea=trials.idea_id.where(sets_it).ffill(),
        best_error=trials.error.where(sets_it).ffill(),
        runs_so_far=trials.runs.cumsum(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The best so far of an arm at each step that all its campaigns have reached.

    `each` has a column for each campaign, `intervals` are of their means.
    """

    steps: Sequence[int]
    each: pd.DataFrame
    intervals: Sequence[Interval]

    @property
    def seeds(self) -> int:
        """Return the number of campaigns."""
        return self.each.shape[1]

    @property
    def means(self) -> list[float]:
        """Return the means over the campaigns."""
        return [one.value for one in self.intervals]


def course_of(arm: Arm, along: str) -> Course:
    """Return the course of an arm along `epoch` or `runs_so_far`."""
    columns = [_at_each(best_so_far(one), along) for one in arm.campaigns]
    table = pd.concat(columns, axis=1, join="inner").dropna().sort_index()
    return Course(
        steps=[int(step) for step in table.index],
        each=table,
        intervals=[of_mean([float(value) for value in row]) for row in table.to_numpy()],
    )


def _at_each(trials: pd.DataFrame, along: str) -> pd.Series:
    """Return the best at the end of each step; steps that a campaign leapt over count too."""
    last = trials.groupby(along).best.last()
    if last.empty:
        return last
    return last.reindex(range(int(last.index.min()), int(last.index.max()) + 1)).ffill()


def draw_course(axes: Axes, arm: Arm, course: Course, look: Look, marks: int = 1) -> None:
    """Draw the line of an arm, a marker at every `marks`-th step, and what tells how sure it is."""
    said = f"{arm.label} ({course.seeds} seeds)" if course.seeds > 1 else arm.label
    axes.plot(
        course.steps,
        course.means,
        color=look.color,
        marker=look.marker,
        markevery=marks,
        label=said,
    )
    draw_spread(axes, course.each, course.intervals, look.color)
