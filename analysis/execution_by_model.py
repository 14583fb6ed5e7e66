"""How often ideas execute, and how good they are on average and at best, for each model.

  python analysis/execution_by_model.py 'runs/*'
  python analysis/execution_by_model.py runs/a runs/b --origin fresh

A row of panels for each environment, a line for each pair of models: who had the idea, and who
implemented it. Executed is what came to a measured score, withheld ones included; the rate's
interval is Wilson's, that of the mean Student's, both 95 %. Means and bests are over scores that
count: a failed idea has none, it is not a zero. --origin fresh leaves out what a search asked for
with past ideas in view, so that models are compared on their own ideas, as in the paper's first
table. Failures that nobody is to blame for (a lost node, a cancelled job) count as not executed;
the table says how many there were.

Files: execution_by_model.csv.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.estimates import NOBODYS_FAULT
from analysis.shared.campaigns import Campaign, by_env, together
from analysis.shared.intervals import of_mean, of_share
from analysis.shared.references import draw_references
from analysis.shared.script import Drawn, NothingToShow, annotate, references_option, run
from analysis.shared.style import COLORS, in_words, legend, new_figure


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its table."""
    tables = {
        env: table
        for env, own in by_env(campaigns).items()
        if len(table := table_of(own, asked.origin))
    }
    if not tables:
        wanted = f" of origin {asked.origin}" if asked.origin else ""
        raise NothingToShow(f"no idea{wanted} has come to an outcome in these campaigns")
    sizes = [1.5 + len(table) for table in tables.values()]
    height = 0.32 * sum(sizes) / len(sizes) + 0.35
    figure, axes = new_figure(columns=3, rows=sizes, width=2.4, height=height)
    envs = by_env(campaigns)
    for row, (env, table) in zip(axes, tables.items(), strict=True):
        own = envs[env]
        _dots(row[0], table, "rate")
        row[0].set(title=f"{env}: executed", xlim=(0, 1), yticks=range(len(table)))
        row[0].xaxis.set_major_formatter(PercentFormatter(1))
        row[0].set_yticklabels([in_words(name, 40) for name in table.models])
        for panel, column in zip(row[1:], ("mean", "best"), strict=True):
            _dots(panel, table, column)
            draw_references(panel, own, asked.references, upright=True, alone=column == "mean")
            panel.xaxis.set_major_locator(MaxNLocator(nbins=3))
            panel.set(title=f"{column} {own[0].metric.name}", yticks=range(len(table)))
            panel.set_yticklabels([])
        legend(row[2], loc="upper left", bbox_to_anchor=(1, 1.05))
    annotate(figure, campaigns)
    columns = [table.drop(columns="models") for table in tables.values()]
    return Drawn(figure=figure, tables={"": pd.concat(columns)})


def _dots(panel: Axes, table: pd.DataFrame, column: str) -> None:
    """Draw a dot for each row, from above down, with its interval if it has one."""
    places = range(len(table))
    if f"{column}_low" in table:
        panel.hlines(places, table[f"{column}_low"], table[f"{column}_high"], color=COLORS[0])
    panel.plot(table[column], places, "o", color=COLORS[0])
    panel.set_ylim(len(table) - 0.4, -0.6)
    panel.grid(visible=False, axis="y")


def table_of(campaigns: Sequence[Campaign], origin: str | None) -> pd.DataFrame:
    """Return a row for each pair of models in campaigns of one environment."""
    trials = together(campaigns)
    trials = trials[trials.origin == origin] if origin else trials
    trials = trials.assign(implementer=trials.implementer.fillna("-"))
    rows: list[dict[str, Any]] = []
    for (ideator, implementer), own in trials.groupby(["ideator", "implementer"], sort=True):
        scored = own[own.status == "scored"]
        executed, mean = int(own.executed.sum()), of_mean(scored.metric.tolist())
        rate = of_share(executed, len(own))
        place = None if scored.empty else _best(scored, campaigns[0])
        same = ideator == implementer
        rows.append(
            {
                "env": campaigns[0].env,
                "ideator": ideator,
                "implementer": implementer,
                "models": str(ideator) if same else f"{ideator}, by {implementer}",
                "ideas": len(own),
                "executed": executed,
                "rate": rate.value,
                "rate_low": rate.low,
                "rate_high": rate.high,
                "nobodys_fault": int(own.reason.isin([*map(str, NOBODYS_FAULT)]).sum()),
                "withheld": int((own.status == "withheld").sum()),
                "metric": campaigns[0].metric.name,
                "mean": mean.value,
                "mean_low": mean.low,
                "mean_high": mean.high,
                "best": None if place is None else place.metric,
                "best_campaign": None if place is None else place.campaign,
                "best_idea": None if place is None else place.idea_id,
            }
        )
    return pd.DataFrame(rows)


def _best(scored: pd.DataFrame, campaign: Campaign) -> Any:
    return scored.sort_values("metric", ascending=campaign.minimizes, kind="stable").iloc[0]


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--origin", help="only ideas of this origin: fresh, exploit, explore, debug or rl"
    )
    references_option(parser)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
