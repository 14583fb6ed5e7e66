"""Calls and runs -> what a campaign and each of its ideas cost. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airr.records import Call, Idea, Run
from airr.reporting.tree import Cost
from airr.summary import gpu_hours_of, spend_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What was used up, as a whole and by idea.

    An idea pays for its own runs and implementer's calls, and for its share of the call that
    proposed it beside others.
    """

    whole: Cost
    calls: Mapping[str, Sequence[Call]]
    runs: Mapping[str, Sequence[Run]]
    proposals: Mapping[str, Sequence[Call]]
    asked_for: Mapping[str, str]
    sharers: Mapping[str, int]

    @classmethod
    def of(cls, ideas: Sequence[Idea], calls: Sequence[Call], runs: Sequence[Run]) -> Costs:
        """Return the costs of a campaign's rows."""
        proposing = {idea.call_id for idea in ideas}
        by_idea: dict[str, list[Call]] = defaultdict(list)
        proposals: dict[str, list[Call]] = defaultdict(list)
        own_runs: dict[str, list[Run]] = defaultdict(list)
        for call in calls:
            if call.id in proposing:
                proposals[call.id].append(call)
            else:
                by_idea[call.id.partition("/")[0]].append(call)
        for run in runs:
            own_runs[run.idea_id].append(run)
        return cls(
            whole=_cost(calls, runs),
            calls=by_idea,
            runs=own_runs,
            proposals=proposals,
            asked_for={idea.id: idea.call_id for idea in ideas},
            sharers=Counter(idea.call_id for idea in ideas),
        )

    def of_idea(self, idea_id: str) -> Cost:
        """Return what one idea cost."""
        own = _cost(self.calls.get(idea_id, ()), self.runs.get(idea_id, ()))
        call_id = self.asked_for[idea_id]
        proposal = _cost(self.proposals.get(call_id, ()), ())
        share = 1 / self.sharers[call_id]
        return Cost(
            calls=own.calls,
            tokens=own.tokens + round(share * proposal.tokens),
            usd=own.usd + share * proposal.usd,
            unpriced=own.unpriced + proposal.unpriced,
            gpu_hours=own.gpu_hours,
            train_seconds=own.train_seconds,
        )


def _cost(calls: Sequence[Call], runs: Sequence[Run]) -> Cost:
    spend = spend_of(calls)
    tokens_in = spend.input_tokens + spend.cached_tokens + spend.written_tokens
    return Cost(
        calls=spend.calls,
        tokens=tokens_in + spend.output_tokens,
        usd=spend.usd,
        unpriced=spend.unpriced,
        gpu_hours=gpu_hours_of(runs),
        train_seconds=sum(run.train_seconds for run in runs),
    )
