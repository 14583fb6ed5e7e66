"""What training an idea model does to its ideas, epoch by epoch.

  python analysis/rl_dynamics.py runs/rl-s0
  python analysis/rl_dynamics.py 'runs/rl-*' --similarity 0.6

A column for each environment, with a marker at each epoch, filled on solid lines and open on dashed
ones. From above: the mean reward with failures as 0 (solid), which is what RL climbs, and over
executed ideas alone (dashed), which says whether ideas got better or merely safer; the execution
rate; the best reward of an epoch (dashed) and of all so far (solid); tokens of thinking (solid) and
of answers (dashed) for each idea; how many ideas of an epoch are distinct (solid), and the share of
its commonest cluster (dashed), where collapse shows first.
Distinct and clusters are by words, see analysis/cluster_shares.py. Several campaigns of one kind
are one line, their mean: four or more with a 95 % interval over seeds around the solid lines,
fewer each as a hair line beside it.

It takes any campaign, RL or not, so that a search may be laid beside it.

Files: rl_dynamics.csv, a row for each campaign and epoch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis.shared.arms import arms_of
from analysis.shared.campaigns import Campaign
from analysis.shared.clusters import similarity_option, with_clusters
from analysis.shared.intervals import of_mean
from analysis.shared.script import Drawn, annotate, by_option, envs_with_outcomes, run
from analysis.shared.style import Look, draw_spread, looks, new_figure, whole_numbers

SOLID: Mapping[str, Any] = {"linestyle": "-", "linewidth": 1.4, "markersize": 2.0}
DASHED: Mapping[str, Any] = {
    "linestyle": "--", "linewidth": 0.9, "zorder": 1.9,
    "markersize": 3.2, "markerfacecolor": "white", "markeredgewidth": 0.6,
}  # fmt: skip
"""An epoch alone is no line: its markers tell these apart, one within the other where equal."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels: the column drawn solid, that drawn dashed, and the axis' name."""

    solid: str
    dashed: str | None
    name: str
    is_share: bool = False

    @property
    def looks(self) -> dict[str, Mapping[str, Any]]:
        """Return how the line of each column is drawn."""
        return {self.solid: SOLID} | ({self.dashed: DASHED} if self.dashed else {})


ROWS = (
    Row("mean_reward", "mean_reward_executed", "mean reward"),
    Row("execution_rate", None, "executed", is_share=True),
    Row("best_so_far", "max_reward", "best reward"),
    Row("thinking_tokens", "idea_tokens", "tokens per idea"),
    Row("distinct_share", "commonest_share", "share of ideas", is_share=True),
)
NAMES = {
    "mean_reward": "failures 0",
    "mean_reward_executed": "executed alone",
    "execution_rate": "",
    "best_so_far": "so far",
    "max_reward": "of the epoch",
    "thinking_tokens": "thinking",
    "idea_tokens": "answer",
    "distinct_share": "distinct",
    "commonest_share": "commonest cluster",
}


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its table."""
    envs = envs_with_outcomes(campaigns)
    tables = {one.name: dynamics_of(one, asked.similarity) for own in envs.values() for one in own}
    figure, axes = new_figure(columns=len(envs), rows=len(ROWS), height=1.25)
    for place, (env, own) in enumerate(envs.items()):
        arms = arms_of(own, asked.by)
        styles = looks([arm.label for arm in arms])
        for arm in arms:
            of_arm = [tables[one.name].set_index("epoch") for one in arm.campaigns]
            for row, drawn in enumerate(ROWS):
                _lines(axes[row][place], of_arm, drawn, styles[arm.label])
        axes[0][place].set_title(env, pad=16)
        axes[-1][place].set_xlabel("epoch")
        for row, drawn in enumerate(ROWS):
            axes[row][place].set_ylabel(drawn.name)
            whole_numbers(axes[row][place])
            if drawn.is_share:
                axes[row][place].set_ylim(0, 1.05)
            _explain(axes[row][place], drawn)
        if len(arms) > 1:
            axes[1][place].legend(
                handles=[
                    Line2D([], [], color=look.color, marker=look.marker, label=label, **SOLID)
                    for label, look in styles.items()
                ]
            )
    annotate(figure, campaigns)
    return Drawn(figure=figure, tables={"": pd.concat(tables.values())})


def dynamics_of(campaign: Campaign, similarity: float) -> pd.DataFrame:
    """Return a row for each epoch of a campaign; rewards of what failed are 0."""
    trials = with_clusters(campaign.trials, similarity)
    rows: list[dict[str, Any]] = []
    for epoch, own in trials.groupby("epoch"):
        scored = own[own.status == "scored"]
        sizes = own.cluster.value_counts()
        rows.append(
            {
                "env": campaign.env,
                "campaign": campaign.name,
                "seed": campaign.seed,
                "epoch": epoch,
                "ideas": len(own),
                "execution_rate": own.executed.mean(),
                "mean_reward": own.reward.mean(),
                "mean_reward_executed": scored.reward.mean(),
                "max_reward": scored.reward.max(),
                "thinking_tokens": own.thinking_tokens.mean(),
                "idea_tokens": own.idea_tokens.mean(),
                "distinct": len(sizes),
                "distinct_share": len(sizes) / len(own),
                "commonest_share": sizes.max() / len(own),
            }
        )
    table = pd.DataFrame(rows)
    table.insert(9, "best_so_far", table.max_reward.cummax().ffill())
    return table


def _lines(panel: Axes, tables: Sequence[pd.DataFrame], row: Row, look: Look) -> None:
    for column, drawn in row.looks.items():
        over = pd.concat([table[column] for table in tables], axis=1, join="inner")
        means = [of_mean(values[~pd.isna(values)].tolist()) for values in over.to_numpy()]
        middle = [one.value for one in means]
        panel.plot(over.index, middle, color=look.color, marker=look.marker, **drawn)
        if column == row.solid:
            draw_spread(panel, over, means, look.color)


def _explain(panel: Axes, row: Row) -> None:
    """Say which line is solid and which dashed, in grey for all arms."""
    if row.dashed is None:
        return
    lines = [
        Line2D([], [], color="black", marker="o", label=NAMES[column], **drawn)
        for column, drawn in row.looks.items()
    ]
    panel.legend(
        handles=lines, ncols=2, loc="lower right", bbox_to_anchor=(1, 0.94), columnspacing=1,
        handlelength=1.8,
    )  # fmt: skip


def _options(parser: argparse.ArgumentParser) -> None:
    similarity_option(parser)
    by_option(parser)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
