"""The best score so far, epoch by epoch.

  python analysis/best_so_far.py runs/a runs/b
  python analysis/best_so_far.py 'runs/nanogpt-*' --format pdf --output paper/figures
  python analysis/best_so_far.py 'runs/*' --by llm.ideator.model

One panel for each environment, one line for each way of searching. Campaigns that differ in their
seed alone are one line, their mean: four or more with a 95 % interval (Student's t) as a band,
fewer with each of them as a hair line. A campaign that stands alone has bars of two standard
errors of its best score, if the scorer knows one. Failed and withheld ideas have no score and
leave the best as it was. The best of many noisy scores is also the luckiest: python -m
airr.verify tells what it is worth.

Files: best_so_far.csv (the lines), best_so_far_campaigns.csv (each campaign by itself).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis.shared.arms import Arm, arms_of
from analysis.shared.campaigns import Campaign
from analysis.shared.progress import best_so_far, course_of, draw_course
from analysis.shared.references import draw_references
from analysis.shared.script import (
    Drawn,
    annotate,
    by_option,
    envs_with_scores,
    references_option,
    run,
)
from analysis.shared.style import (
    legend_below,
    looks,
    new_figure,
    panels_of,
    quantity,
    whole_numbers,
)


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its tables."""
    envs = {env: arms_of(own, asked.by) for env, own in envs_with_scores(campaigns).items()}
    figure, axes = new_figure(columns=len(envs), height=2.9)
    for panel, (env, arms) in zip(panels_of(axes), envs.items(), strict=True):
        for arm, look in zip(arms, looks([arm.label for arm in arms]).values(), strict=True):
            draw_course(panel, arm, course_of(arm, "epoch"), look)
            if len(arm.campaigns) == 1:
                _draw_errors(panel, arm.campaigns[0], look.color)
        metric = arms[0].campaigns[0].metric
        draw_references(panel, [one for arm in arms for one in arm.campaigns], asked.references)
        panel.set(title=env, xlabel="epoch", ylabel=quantity(metric, "best {} so far"))
        whole_numbers(panel)
        legend_below(panel)
    annotate(figure, campaigns)
    tables = {
        "": pd.concat([_lines(env, arm) for env, arms in envs.items() for arm in arms]),
        "campaigns": pd.concat(
            [_alone(arm, one) for arms in envs.values() for arm in arms for one in arm.campaigns]
        ),
    }
    return Drawn(figure=figure, tables=tables)


def _draw_errors(panel: Axes, campaign: Campaign, color: str) -> None:
    last = best_so_far(campaign).groupby("epoch")[["best", "best_error"]].last().dropna()
    panel.errorbar(
        last.index, last.best, yerr=2 * last.best_error, color=color, fmt="none", linewidth=0.8,
        capsize=1.5,
    )  # fmt: skip


def _lines(env: str, arm: Arm) -> pd.DataFrame:
    course = course_of(arm, "epoch")
    return pd.DataFrame(
        {
            "env": env,
            "arm": arm.label,
            "seeds": course.seeds,
            "epoch": course.steps,
            "best": course.means,
            "low": [one.low for one in course.intervals],
            "high": [one.high for one in course.intervals],
        }
    )


def _alone(arm: Arm, campaign: Campaign) -> pd.DataFrame:
    best = best_so_far(campaign)
    last = best.groupby("epoch")[["runs_so_far", "best", "best_error", "best_idea"]].last()
    front = {
        "env": campaign.env,
        "arm": arm.label,
        "campaign": campaign.name,
        "seed": campaign.seed,
    }
    return last.reset_index().assign(**front)[[*front, "epoch", *last.columns]]


def _options(parser: argparse.ArgumentParser) -> None:
    by_option(parser)
    references_option(parser)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
