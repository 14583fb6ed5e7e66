"""Which ideas come again and again, and what share of each epoch they take.

  python analysis/cluster_shares.py runs/rl-s0
  python analysis/cluster_shares.py 'runs/*' --top 6 --similarity 0.6

One panel for each kind of campaign, its seeds pooled, and in it a bar for each epoch: the largest
clusters of ideas in colours, the rest in grey. Ideas are alike by their words, numbers left out, as
in the search's own check for novelty (TF-IDF, cosine of at least --similarity with the cluster's
first idea): a cluster is ideas that are worded alike, and bears the name of its first one. Clusters
are made over all campaigns of an environment together, so that colours mean the same in its panels.

Files: cluster_shares.csv (each epoch), cluster_shares_clusters.csv (each cluster: size, execution
rate, scores).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis.shared.arms import Arm, arms_of
from analysis.shared.campaigns import Campaign, together
from analysis.shared.clusters import similarity_option, with_clusters
from analysis.shared.script import (
    Drawn,
    annotate,
    at_least_one,
    by_option,
    envs_with_outcomes,
    run,
)
from analysis.shared.style import COLORS, in_words, new_figure, panels_of, whole_numbers

REST = "others"
REST_COLOR = "#d9d9d9"
BAR = 0.9
"""Of the width of an epoch."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The trials of an environment's campaigns with a column `cluster`, and the largest ones."""

    trials: pd.DataFrame
    largest: pd.DataFrame


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its tables."""
    envs = envs_with_outcomes(campaigns)
    found = {env: _sorted(own, asked) for env, own in envs.items()}
    panels = [(env, arm) for env, own in envs.items() for arm in arms_of(own, asked.by)]
    figure, axes = new_figure(rows=len(panels), width=6.8, height=1.9)
    shares: list[pd.DataFrame] = []
    for panel, (env, arm) in zip(panels_of(axes), panels, strict=True):
        table = shares_of(arm, found[env])
        _draw(panel, table, found[env].largest)
        seeds = f" ({len(arm.campaigns)} seeds)" if len(arm.campaigns) > 1 else ""
        panel.set(title=f"{env}: {arm.label}{seeds}", xlabel="epoch", ylabel="share of ideas")
        shares.append(table.reset_index().assign(env=env, arm=arm.label))
    annotate(figure, campaigns)
    clusters = pd.concat([one.largest.assign(env=env) for env, one in found.items()])
    return Drawn(
        figure=figure, tables={"": _long(pd.concat(shares)), "clusters": clusters.reset_index()}
    )


def _sorted(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Sorted:
    trials = with_clusters(together(campaigns), asked.similarity)
    sizes = trials.cluster.value_counts(sort=True).head(asked.top)
    return Sorted(
        trials=trials,
        largest=pd.DataFrame(
            [_cluster(trials, founder, campaigns[0]) for founder in sizes.index]
        ).set_index("cluster"),
    )


def _cluster(trials: pd.DataFrame, founder: int, campaign: Campaign) -> dict[str, Any]:
    own = trials[trials.cluster == founder]
    scores = own[own.status == "scored"].metric
    return {
        "cluster": founder,
        "title": trials.title[founder],
        "first": f"{trials.campaign[founder]} {trials.idea_id[founder]}",
        "ideas": len(own),
        "share": len(own) / len(trials),
        "executed": own.executed.mean(),
        "mean": scores.mean(),
        "best": scores.min() if campaign.minimizes else scores.max(),
    }


def shares_of(arm: Arm, found: Sorted) -> pd.DataFrame:
    """Return the share of each of the largest clusters, and of the rest, by epoch."""
    names = [one.name for one in arm.campaigns]
    own = found.trials[found.trials.campaign.isin(names)]
    named = own.cluster.where(own.cluster.isin(found.largest.index), -1)
    shares = pd.crosstab(own.epoch, named, normalize="index")
    return shares.reindex(columns=[*found.largest.index, -1], fill_value=0.0)


def _draw(panel: Axes, shares: pd.DataFrame, largest: pd.DataFrame) -> None:
    titles = [in_words(title, 45) for title in largest.title]
    colors = [COLORS[place % (len(COLORS) - 1)] for place in range(len(largest))]
    below = shares.cumsum(axis=1) - shares
    looks = zip([*titles, REST], [*colors, REST_COLOR], strict=True)
    for cluster, (title, color) in zip(shares, looks, strict=True):
        panel.bar(shares.index, shares[cluster], BAR, below[cluster], label=title, color=color)
    panel.set(ylim=(0, 1), xlim=(shares.index.min() - 0.5, shares.index.max() + 0.5))
    whole_numbers(panel)
    panel.grid(visible=False)
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1.02))


def _long(shares: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each arm, epoch and cluster; -1 is the rest."""
    table = shares.melt(["env", "arm", "epoch"], var_name="cluster", value_name="share").dropna()
    return table.sort_values(["env", "arm", "epoch", "cluster"])


def _options(parser: argparse.ArgumentParser) -> None:
    at_least_one(parser, "--top", 5, "how many clusters are named")
    similarity_option(parser)
    by_option(parser)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
