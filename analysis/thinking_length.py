"""Do ideas that took longer thinking execute less often?

  python analysis/thinking_length.py runs/rl-s0
  python analysis/thinking_length.py 'runs/*' --tokens idea_tokens --bins 10

One panel for each environment: ideas sorted by the tokens of thinking that went before them, in
bins of equal size, and the share of each bin that executed, with Wilson's 95 % interval. Below,
the longest 30 % against the rest, the paper's comparison, with Fisher's exact p. Tokens of an
answer that holds several ideas are divided evenly among them by the ledger: the comparison is at
its best where each idea is an answer of its own, as in RL.

Files: thinking_length.csv (the bins), thinking_length_longest.csv (the longest against the rest).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.ticker import PercentFormatter
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis.shared.campaigns import Campaign, by_env, together
from analysis.shared.intervals import of_share
from analysis.shared.script import Drawn, NothingToShow, annotate, at_least_one, run, share
from analysis.shared.style import COLORS, new_figure, panels_of

LONGEST = 0.3
TOKENS = ("thinking_tokens", "idea_tokens")


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its tables."""
    envs = {
        env: trials
        for env, own in by_env(campaigns).items()
        if (trials := together(own))[asked.tokens].nunique() > 1
    }
    if not envs:
        raise NothingToShow(
            f"{asked.tokens} does not differ between the ideas of these campaigns: there is "
            "nothing to compare (an offline catalogue does not think)"
        )
    figure, axes = new_figure(columns=len(envs))
    bins: list[pd.DataFrame] = []
    longest: list[dict[str, Any]] = []
    for panel, (env, trials) in zip(panels_of(axes), envs.items(), strict=True):
        table = bins_of(trials, asked.tokens, asked.bins).assign(env=env)
        against = longest_against_rest(trials, asked.tokens, asked.longest)
        panel.vlines(table.tokens, table.low, table.high, color=COLORS[0], linewidth=1)
        panel.plot(table.tokens, table.rate, color=COLORS[0], marker="o")
        panel.axvline(against["above"], color=COLORS[1], linestyle="--", linewidth=0.9)
        panel.set(title=env, ylim=(0, 1), ylabel="executed")
        panel.yaxis.set_major_formatter(PercentFormatter(1))
        panel.set_xlabel(f"{asked.tokens.replace('_', ' ')}, mean of each bin")
        chance = "p < 0.001" if against["p"] < 0.001 else f"p = {against['p']:.2g}"
        said = (
            f"longest {asked.longest:.0%}: {against['rate']:.0%} executed\n"
            f"the rest: {against['rest_rate']:.0%} ({chance})"
        )
        panel.text(0.03, 0.05, said, transform=panel.transAxes, fontsize=7, backgroundcolor="white")
        bins.append(table)
        longest.append({"env": env} | against)
    annotate(figure, campaigns)
    return Drawn(figure=figure, tables={"": pd.concat(bins), "longest": pd.DataFrame(longest)})


def bins_of(trials: pd.DataFrame, tokens: str, count: int) -> pd.DataFrame:
    """Return a row for each bin; ideas of the same length are in the same one."""
    places = pd.qcut(trials[tokens], count, duplicates="drop")
    rows: list[dict[str, Any]] = []
    for _, own in trials.groupby(places, observed=True):
        rate = of_share(int(own.executed.sum()), len(own))
        rows.append(
            {
                "shortest": own[tokens].min(),
                "longest": own[tokens].max(),
                "tokens": own[tokens].mean(),
                "ideas": len(own),
                "executed": int(own.executed.sum()),
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return pd.DataFrame(rows)


def longest_against_rest(trials: pd.DataFrame, tokens: str, longest: float) -> dict[str, Any]:
    """Return how often the longest share of ideas executed, and the others."""
    above = float(trials[tokens].quantile(1 - longest))
    long, rest = (trials[trials[tokens] > above], trials[trials[tokens] <= above])
    counts = [[int(one.executed.sum()), int((~one.executed).sum())] for one in (long, rest)]
    fisher: Any = stats.fisher_exact(counts)
    return {
        "tokens": tokens,
        "above": above,
        "ideas": len(long),
        "rate": long.executed.mean(),
        "rest_ideas": len(rest),
        "rest_rate": rest.executed.mean(),
        "p": float(fisher.pvalue),
    }


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokens", choices=TOKENS, default=TOKENS[0], help="which length (default: thinking)"
    )
    parser.add_argument(
        "--longest", type=share, default=LONGEST, help=f"share set apart (default: {LONGEST})"
    )
    at_least_one(parser, "--bins", 8, "how many bins")


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
