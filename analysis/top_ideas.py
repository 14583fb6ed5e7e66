"""The best ideas, with the errors of their scores, beside the baseline and the references.

  python analysis/top_ideas.py runs/a
  python analysis/top_ideas.py 'runs/*' --top 20 --format pdf

One panel for each environment, the best idea on top, those of all its campaigns together,
coloured by kind (by rule: see analysis/kinds_of_ideas.py). Bars are two standard errors where the
scorer or further seeds tell them. The grey lines are the baseline that the campaigns measured,
and the references. The best of many noisy scores is also the luckiest: what these ideas are
worth, python -m airr.verify tells. Withheld scores, too good to be believed yet, are not among
them.

Files: top_ideas.csv, with each idea's gain over its own campaign's baseline and its whole text.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.titles import titles_of
from analysis.shared.campaigns import Campaign, together
from analysis.shared.kinds import LOOKS, kind_of
from analysis.shared.references import draw_references
from analysis.shared.script import (
    Drawn,
    annotate,
    at_least_one,
    envs_with_scores,
    references_option,
    run,
)
from analysis.shared.style import in_words, new_figure, panels_of, quantity

LABEL = 50
"""Characters of an idea's title beside its dot."""
COLUMNS = (
    "rank", "env", "campaign", "idea_id", "epoch", "origin", "ideator", "implementer", "kind",
    "metric", "error", "gain", "gain_error", "runs", "title", "text",
)  # fmt: skip


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its table."""
    envs = envs_with_scores(campaigns)
    figure, axes = new_figure(rows=len(envs), width=6.8, height=0.9 + 0.19 * asked.top)
    tables: list[pd.DataFrame] = []
    for panel, (env, own) in zip(panels_of(axes), envs.items(), strict=True):
        best = best_of(own, asked.top)
        places = range(len(best))
        _dots(panel, best)
        draw_references(panel, own, asked.references, upright=True)
        panel.set(title=env, xlabel=quantity(own[0].metric), yticks=places)
        panel.set_yticklabels(_labels(best))
        panel.set_ylim(len(best) - 0.4, -0.6)
        panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=4, columnspacing=1.2)
        tables.append(best)
    annotate(figure, campaigns)
    return Drawn(figure=figure, tables={"": pd.concat(tables)})


def _labels(best: pd.DataFrame) -> list[str]:
    """Return for each idea its id, and its title as it is told apart from the others shown."""
    titles = titles_of({str(place): text for place, text in enumerate(best.text)}).values()
    said = [title.within(LABEL) for title in titles]
    return [in_words(f"{i}  {t}", 2 * LABEL) for i, t in zip(best.idea_id, said, strict=True)]


def _dots(panel: Axes, best: pd.DataFrame) -> None:
    """Draw a dot for each idea, from above down, those of a kind in its colour."""
    for kind, look in LOOKS.items():
        own = best[best.kind == kind]
        if own.empty:
            continue
        panel.errorbar(
            own.metric, own["rank"] - 1, xerr=2 * own.error.fillna(0), fmt=look.marker,
            color=look.color, elinewidth=0.9, capsize=1.5, label=kind,
        )  # fmt: skip


def best_of(campaigns: Sequence[Campaign], count: int) -> pd.DataFrame:
    """Return the best scored ideas of campaigns of one environment, best first."""
    trials = together(campaigns)
    scored = trials[trials.status == "scored"]
    best = (
        scored.sort_values(
            ["metric", "campaign", "idea_id"], ascending=[campaigns[0].minimizes, True, True]
        )
        .head(count)
        .reset_index(drop=True)
    )
    baselines = {one.name: one.baseline for one in campaigns if one.baseline}
    level = best.campaign.map({name: one.metric for name, one in baselines.items()}).astype(float)
    sign = -1 if campaigns[0].minimizes else 1
    doubts = best.campaign.map({name: one.standard_error for name, one in baselines.items()})
    return best.assign(
        rank=range(1, len(best) + 1),
        kind=[str(kind_of(diff)) for diff in best["diff"]],
        gain=sign * (best.metric - level),
        gain_error=np.hypot(best.error, doubts.astype(float)),
    )[[*COLUMNS]]


def _options(parser: argparse.ArgumentParser) -> None:
    at_least_one(parser, "--top", 10, "how many ideas of each environment")
    references_option(parser)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
