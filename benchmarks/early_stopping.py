"""What early stopping saves, and whom it ends wrongly: curves of real runs, replayed.

    python benchmarks/early_stopping.py [--orders 500] [--epoch 8] [--quick]
    python benchmarks/early_stopping.py --record CAMPAIGN...    makes the table anew

benchmarks/curves.csv holds, of real campaigns of nanogpt_tiny, each scored idea's curve by tenths
of its steps, its score, and its baseline's. An order draws the ideas as if proposed one epoch after
the other. A curve is held against those of earlier epochs that were not ended themselves, by the
rules of airr.curves; those of one campaign share their data's order, so each is replayed by itself.
Saved is the share of training after the first epoch; ended wrongly is the share of the ideas that
beat their baseline, and of orders the one best idea. Ranges are those of 95 % of the orders, which
share their curves: they say nothing of other ideas.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airr.curves import TENTHS, Curve, CurveOf, CurveReader, bar_of, hopeless
from airr.ledger import load

TABLE = Path(__file__).with_name("curves.csv")
QUANTILES = (0.5, 0.75, 0.9, 1.0)
FIRST = (30, 50)
"""Tenths before which nothing is ended, in percent."""
LEAST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One real run."""

    campaign: str
    gain: float
    curve: Curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one order came to."""

    ended: float
    saved: float
    wrong: float
    best: float


def recorded() -> list[Replay]:
    """Return the runs of the table."""
    with TABLE.open() as file:
        return [
            Replay(
                campaign=row["campaign"],
                gain=float(row["baseline"]) - float(row["score"]),
                curve={tenth: float(row[f"t{tenth}"]) for tenth in TENTHS},
            )
            for row in csv.DictReader(file)
        ]


def record(campaigns: Sequence[str]) -> None:
    """Write the table from the ledgers and logs of campaigns."""
    columns = ["campaign", "idea", "score", "baseline", *(f"t{tenth}" for tenth in TENTHS)]
    with TABLE.open("w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for campaign in campaigns:
            writer.writerows(_rows(Path(campaign)))


def _rows(campaign: Path) -> Iterator[list[object]]:
    tables = load(campaign)
    scores = tables.outcomes.query("status == 'scored' and repeat == 0").set_index("idea_id").metric
    for run in tables.runs[tables.runs.reason.isna() & tables.runs.rung.isna()].itertuples():
        log = campaign / "jobs" / str(run.batch) / f"{run.id}.log"
        if run.idea_id == "baseline" or run.idea_id not in scores or not log.exists():
            continue
        reader = CurveReader(CurveOf(name="loss", minimize=True))
        reader.feed(log.read_bytes())
        if reader.curve.keys() == {*TENTHS}:
            score, baseline = scores[str(run.idea_id)], scores["baseline"]
            curve = [f"{value:.4f}" for value in reader.curve.values()]
            yield [campaign.name, run.idea_id, f"{score:.4f}", f"{baseline:.4f}", *curve]


def effect_of(runs: Sequence[Replay], epoch: int, quantile: float, first: int) -> Effect:
    """Return what stopping does to runs that come epoch by epoch."""
    known = [one.curve for one in runs[:epoch]]
    ended = list[Replay]()
    saved = 0
    for begin in range(epoch, len(runs), epoch):
        bar = bar_of(known, quantile=quantile, first=first, least=LEAST, minimize=True)
        for one in runs[begin : begin + epoch]:
            found = hopeless(one.curve, bar, minimize=True)
            if found:
                ended.append(one)
                saved += 100 - found.tenth
            else:
                known.append(one.curve)
    later = runs[epoch:]
    better = [one for one in later if one.gain > 0]
    best = max(later, key=lambda one: one.gain)
    return Effect(
        ended=len(ended) / len(later),
        saved=saved / (100 * len(later)),
        wrong=sum(one in ended for one in better) / max(1, len(better)),
        best=float(best in ended),
    )


def names_of(runs: Sequence[Replay]) -> list[str]:
    """Return the campaigns of runs, in order."""
    return [*dict.fromkeys(one.campaign for one in runs)]


def shown(values: Sequence[float]) -> str:
    """Return a mean with the range of 95 % of the values."""
    ranked = sorted(values)
    low, high = (ranked[round(share * (len(ranked) - 1))] for share in (0.025, 0.975))
    return f"{statistics.mean(values):.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Print the table of effects, or record curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--epoch", type=int, default=8, help="ideas of an epoch")
    parser.add_argument("--quick", action="store_true", help="20 orders: does it run at all")
    parser.add_argument("--record", nargs="+", metavar="CAMPAIGN", help="folders, such as runs/x")
    asked = parser.parse_args()
    if asked.record:
        record(asked.record)
        return
    runs = recorded()
    better = sum(one.gain > 0 for one in runs)
    campaigns = [[one for one in runs if one.campaign == name] for name in names_of(runs)]
    orders = 20 if asked.quick else asked.orders
    table = Table(
        title=f"{len(runs)} runs of {len(campaigns)} campaigns, {better} beat their baseline; "
        f"{orders} orders of each"
    )
    for head in ("quantile", "from %", "ended", "saved", "better ended", "best ended"):
        table.add_column(head, justify="right")
    for quantile in QUANTILES:
        for first in FIRST:
            effects = [
                effect_of(random.Random(n).sample(own, len(own)), asked.epoch, quantile, first)
                for own in campaigns
                for n in range(orders)
            ]
            table.add_row(
                str(quantile),
                str(first),
                shown([one.ended for one in effects]),
                shown([one.saved for one in effects]),
                shown([one.wrong for one in effects]),
                f"{statistics.mean(one.best for one in effects):.2f}",
            )
    Console(width=110 if not sys.stdout.isatty() else None, highlight=False).print(table)


if __name__ == "__main__":
    main()
