"""Who is asked next: of several models, the one whose ideas are likeliest to pay. Pure.

Thompson sampling (Thompson, 1933; Chapelle and Li, NeurIPS 2011): an idea pays or does not, what is
known of each model's share is a Beta distribution, and for each call a share is drawn from all of
them. Calls that go out side by side so spread over the models as widely as is still unsure, which
rules that take the highest bound (UCB) do not.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airr.config import Metric
from airr.estimates import cautious_gain
from airr.records import INFRASTRUCTURE, Failed, Outcome, Scored, Trial
from airr.researcher.strategy import IdeaRequest, Past

DOUBT = 1.0
"""By how many standard errors a score must beat the baseline for its idea to have paid."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one model's ideas: how many paid, of how many that were tried."""

    paid: int = 0
    tried: int = 0


def assigned(
    requests: Sequence[IdeaRequest], members: Sequence[str], past: Past, rng: random.Random
) -> tuple[IdeaRequest, ...]:
    """Return the requests with the member that is asked for each; unchanged where there is one."""
    if len(members) == 1:
        return tuple(requests)
    known = dict.fromkeys(members, Record())
    known |= records_of(past.trials, past.baseline, past.metric)
    known = {member: known[member] for member in members}
    return tuple(replace(request, member=_drawn(known, rng)) for request in requests)


def records_of(trials: Iterable[Trial], baseline: Scored, metric: Metric) -> dict[str, Record]:
    """Return the record of each member that has one; what a node lost says nothing of anybody."""
    records: dict[str, Record] = {}
    for trial in trials:
        member, outcome = trial.idea.member, trial.outcome
        is_lost = isinstance(outcome, Failed) and outcome.reason in INFRASTRUCTURE
        if member is None or is_lost:
            continue
        before = records.get(member, Record())
        records[member] = Record(
            paid=before.paid + _pays(outcome, baseline, metric), tried=before.tried + 1
        )
    return records


def _pays(outcome: Outcome, baseline: Scored, metric: Metric) -> bool:
    """Tell whether an idea beats the baseline by more than its noise.

    That it must beat its parents too would say more of it, but so seldom that less is learned
    (benchmarks/ensemble.py).
    """
    return isinstance(outcome, Scored) and cautious_gain(outcome, baseline, metric, DOUBT) > 0


def _drawn(records: Mapping[str, Record], rng: random.Random) -> str:
    shares = {
        member: rng.betavariate(1 + record.paid, 1 + record.tried - record.paid)
        for member, record in records.items()
    }
    return max(shares, key=lambda member: shares[member])
