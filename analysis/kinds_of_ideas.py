r"""Hyper-parameter against algorithmic ideas: how many there are, and which do better.

  python analysis/kinds_of_ideas.py 'runs/*'
  python analysis/kinds_of_ideas.py runs/a --labels model --provider anthropic --model MODEL
  python analysis/kinds_of_ideas.py runs/a --labels model --provider openai --model qwen3 \
      --base-url http://node17:8000/v1

Above, the share of each kind among the ideas of each model; below, the scores of those that
executed, with their mean. By default a rule labels them, from the diff: hyper-parameter if
nothing but values changes, algorithmic otherwise, unclear without a diff that can be read.
--labels model asks a model about idea and diff instead, once for each; answers are kept in
kinds_of_ideas.jsonl beside the figure, so that the same command again asks nothing and costs
nothing.

Files: kinds_of_ideas.csv (a row for each model and kind), kinds_of_ideas_labels.csv (each idea).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.errors import ConfigError
from analysis.shared.campaigns import Campaign, together
from analysis.shared.intervals import of_mean, of_share
from analysis.shared.kinds import LOOKS, Kind, kind_of
from analysis.shared.labels import Subject, labelled, provider_named
from analysis.shared.references import draw_references
from analysis.shared.script import Drawn, NothingToShow, annotate, envs_with_outcomes, run
from analysis.shared.style import in_words, legend, new_figure, quantity


def draw(campaigns: Sequence[Campaign], asked: argparse.Namespace) -> Drawn:
    """Return the figure and its tables."""
    envs = envs_with_outcomes(campaigns)
    trials = together(campaigns)
    trials["kind"] = _labels(trials, asked)
    if (trials.kind == Kind.UNCLEAR).all():
        raise NothingToShow("no idea of these campaigns has a diff that a kind can be told from")
    figure, axes = new_figure(columns=len(envs), rows=2, height=2.1)
    rows: list[dict[str, Any]] = []
    for place, (env, own) in enumerate(envs.items()):
        here = trials[trials.env == env]
        rows += _rows(here, own[0])
        _shares(axes[0][place], here, env)
        _scores(axes[1][place], here)
        draw_references(axes[1][place], own, None, alone=True)
        axes[1][place].set(ylabel=quantity(own[0].metric))
        legend(axes[1][place])
    annotate(figure, campaigns)
    labels = trials[["env", "campaign", "idea_id", "ideator", "kind", "status", "metric", "title"]]
    by = asked.model if asked.labels == "model" else "rule"
    return Drawn(
        figure=figure,
        tables={"": pd.DataFrame(rows), "labels": labels.assign(labelled_by=by)},
    )


def _labels(trials: pd.DataFrame, asked: argparse.Namespace) -> list[Kind]:
    if asked.labels == "rule":
        return [kind_of(diff) for diff in trials["diff"]]
    if not asked.provider or not asked.model:
        raise ConfigError("--labels model: which one? --provider anthropic --model NAME, or openai")
    subjects = [
        Subject(
            name=f"{row.campaign}/{row.idea_id}",
            text=str(row.text),
            diff=row.diff if isinstance(row.diff, str) else "(none)",
        )
        for row in trials.itertuples()
    ]
    provider = provider_named(asked.provider, asked.base_url)
    journal = asked.output / "kinds_of_ideas.jsonl"
    print(f"asking {asked.model} about {len(subjects)} ideas; answers are kept in {journal}")
    return labelled(subjects, provider, asked.model, journal)


def _rows(trials: pd.DataFrame, campaign: Campaign) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for ideator, own in trials.groupby("ideator", sort=True):
        for kind in Kind:
            ideas = own[own.kind == kind]
            scores = ideas[ideas.status == "scored"].metric
            share, mean = of_share(len(ideas), len(own)), of_mean(scores.tolist())
            rate = of_share(int(ideas.executed.sum()), len(ideas))
            best = scores.min() if campaign.minimizes else scores.max()
            rows.append(
                {
                    "env": campaign.env,
                    "ideator": ideator,
                    "kind": str(kind),
                    "ideas": len(ideas),
                    "share": share.value,
                    "share_low": share.low,
                    "share_high": share.high,
                    "executed": rate.value,
                    "mean": mean.value,
                    "mean_low": mean.low,
                    "mean_high": mean.high,
                    "best": best,
                }
            )
    return rows


def _shares(panel: Axes, trials: pd.DataFrame, env: str) -> None:
    shares = pd.crosstab(trials.ideator, trials.kind, normalize="index")
    left = np.zeros(len(shares))
    for kind in (kind for kind in Kind if kind in shares):
        widths = shares[kind].to_numpy()
        panel.barh(
            range(len(shares)), widths, left=left, color=LOOKS[kind].color, label=kind, height=0.6
        )
        for place, (at, width) in enumerate(zip(left, widths, strict=True)):
            if width > 0.08:
                panel.text(
                    at + width / 2, place, f"{width:.0%}", ha="center", va="center", fontsize=6,
                    color="black" if kind is Kind.UNCLEAR else "white",
                )  # fmt: skip
        left += widths
    panel.set(title=env, xlabel="share of ideas", xlim=(0, 1), yticks=range(len(shares)))
    panel.set_yticklabels([in_words(str(name), 30) for name in shares.index])
    panel.set_ylim(max(len(shares), 3) - 0.5, -0.5)
    panel.grid(visible=False)
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.12), ncols=3, columnspacing=1)


def _scores(panel: Axes, trials: pd.DataFrame) -> None:
    """Draw each score beside the others of its kind and model, and their mean as a bar."""
    scored = trials[trials.status == "scored"]
    models = sorted(trials.ideator.unique())
    spread = np.random.default_rng(0)
    for place, model in enumerate(models):
        for kind, aside in ((Kind.HYPERPARAMETER, -0.2), (Kind.ALGORITHMIC, 0.2)):
            own = scored[(scored.ideator == model) & (scored.kind == kind)].metric
            if own.empty:
                continue
            x = place + aside + spread.uniform(-0.12, 0.12, len(own))
            panel.plot(x, own, ".", color=LOOKS[kind].color, markersize=2.5, alpha=0.5)
            panel.hlines(own.mean(), place + aside - 0.17, place + aside + 0.17, color="black")
    panel.set(xticks=range(len(models)), xlim=(-0.6, len(models) - 0.4))
    panel.set_xticklabels([in_words(model, 20) for model in models])
    panel.grid(visible=False, axis="x")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--labels", choices=("rule", "model"), default="rule", help="who labels (default: rule)"
    )
    parser.add_argument("--provider", help="of the model: anthropic, or openai (any compatible)")
    parser.add_argument("--model", help="the model that labels")
    parser.add_argument("--base-url", help="where it is served, if not by its vendor")


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure of the campaigns that the command line names."""
    run(__file__, __doc__, draw, argv, _options)


if __name__ == "__main__":
    main()
