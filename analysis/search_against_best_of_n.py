"""Search against best-of-N, at an equal number of runs.

  python analysis/search_against_best_of_n.py runs/evolution-s0 runs/best_of_n-s0
  python analysis/search_against_best_of_n.py 'runs/*' --rival best_of_n

Along the bottom runs what was spent: one run for each idea, failed ones included, and one for
each further seed (search.repeats), so that a search that measures twice pays for it. Lines end
where the shortest campaign of an arm ends, and are compared up to there. Four seeds or more have
a 95 % interval (Student's t) as a band, fewer are each a hair line. In the table, `ahead` is by
how much an arm is better than the rival at that budget, in the metric's unit and positive for
better whichever way the metric runs (where there are several rivals: than the one it shares most
settings with, such as its models); `p` is Welch's, two-sided, of the seeds' bests being equally
good, and needs two seeds on each side. The p-values of a table are looked at together and not
adjusted: read them at the budget you decided on beforehand.

Files: search_against_best_of_n.csv, a row for each arm and budget.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.significance import welch
from analysis.shared.arms import Arm, arms_of
from analysis.shared.campaigns import Campaign, by_env
from analysis.shared.intervals import of_mean
from analysis.shared.progress import best_so_far, course_of, draw_course
from analysis.shared.references import draw_references
from analysis.shared.script import (
    Drawn,
    NothingToShow,
    annotate,
    at_least_one,
    by_option,
    references_option,
    run,
)
from analysis.shared.style import legend_below, looks, new_figure, panels_of, quantity


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its table."""
    with_scores = by_env([one for one in campaigns if len(one.scored)])
    envs = {env: own for env, own in with_scores.items() if _is_contest(own, asked.rival)}
    if not envs:
        raise NothingToShow(
            f"nothing to compare: give campaigns of search={asked.rival} and of another search, "
            "of one environment"
        )
    figure, axes = new_figure(columns=len(envs), height=2.9)
    rows: list[pd.DataFrame] = []
    for panel, (env, own) in zip(panels_of(axes), envs.items(), strict=True):
        arms = arms_of(own, asked.by)
        for arm, look in zip(arms, looks([arm.label for arm in arms]).values(), strict=True):
            course = course_of(arm, "runs_so_far")
            draw_course(panel, arm, course, look, marks=max(1, len(course.steps) // 8))
        metric = own[0].metric
        draw_references(panel, own, asked.references)
        panel.set(title=env, xlabel="runs", ylabel=quantity(metric, "best {} so far"))
        legend_below(panel)
        rows.append(_table(env, arms, asked.rival, asked.budgets))
    annotate(figure, campaigns)
    return Drawn(figure=figure, tables={"": pd.concat(rows)})


def _is_contest(campaigns: Sequence[Campaign], rival: str) -> bool:
    return {_is_rival(one, rival) for one in campaigns} == {True, False}


def _is_rival(campaign: Campaign, rival: str) -> bool:
    return campaign.settings.get("search.name") == rival


def _table(env: str, arms: Sequence[Arm], rival: str, budgets: int) -> pd.DataFrame:
    bests = {arm.label: _bests(arm) for arm in arms}
    rivals = [arm for arm in arms if _is_rival(arm.campaigns[0], rival)]
    metric = arms[0].campaigns[0].metric
    longest = min(len(table) for table in bests.values())
    rows: list[dict[str, Any]] = []
    for budget in sorted({max(1, round(longest * n / budgets)) for n in range(1, budgets + 1)}):
        at = {label: _values(table, budget) for label, table in bests.items()}
        for arm in arms:
            values = at[arm.label]
            best = of_mean(values)
            row: dict[str, Any] = {
                "env": env,
                "arm": arm.label,
                "runs": budget,
                "seeds": len(values),
            }
            row |= {"best": best.value, "low": best.low, "high": best.high}
            if arm not in rivals:
                other = _rival_of(arm, rivals)
                row["against"] = other
                row["ahead"] = metric.gain(best.value, of_mean(at[other]).value)
                row["p"] = welch(values, at[other])
            rows.append(row)
    return pd.DataFrame(rows)


def _rival_of(arm: Arm, rivals: Sequence[Arm]) -> str:
    """Return the rival that has most settings in common with an arm, such as its models."""
    own = arm.campaigns[0].settings

    def in_common(rival: Arm) -> int:
        other = rival.campaigns[0].settings
        return sum(str(other.get(name)) == str(value) for name, value in own.items())

    return max(rivals, key=in_common).label


def _bests(arm: Arm) -> pd.DataFrame:
    """Return the best of each campaign of an arm after each run that all of them have made."""
    columns = []
    for one in arm.campaigns:
        best = best_so_far(one).set_index("runs_so_far").best
        columns.append(best.reindex(range(1, int(best.index.max()) + 1)).ffill())
    return pd.concat(columns, axis=1, join="inner")


def _values(table: pd.DataFrame, budget: int) -> list[float]:
    return [value for value in table.loc[[budget]].to_numpy().ravel().tolist() if pd.notna(value)]


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rival", default="best_of_n", help="the search compared with (default: best_of_n)"
    )
    at_least_one(parser, "--budgets", 10, "rows of the table for each arm")
    by_option(parser)
    references_option(parser)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
