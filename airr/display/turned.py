"""What one turn did and what it leaves to wait for, in a few lines for cron's mail."""

from __future__ import annotations

from collections import Counter

from airr.cluster.protocol import TaskState
from airr.head import Head
from airr.records import BASELINE
from airr.turn import Turn


def told_of(head: Head, turn: Turn) -> str:
    """Return what a turn did, and what the campaign waits for."""
    done = (
        f"{turn.outcomes} outcomes, {turn.proposed} ideas proposed, "
        f"{turn.implemented} implemented, {turn.submitted} runs submitted"
    )
    return f"campaign {head.workspace.name}: {done}\n{_standing(head, turn)}"


def _standing(head: Head, turn: Turn) -> str:
    if head.campaign.stopped:
        return f"stopped: {head.campaign.stopped}"
    if turn.is_complete:
        return f"complete; python -m airr.status campaign={head.workspace.folder} shows its best"
    return f"{_waits_for(head, turn)}; {_epoch(head)}. The next turn goes on"


def _waits_for(head: Head, turn: Turn) -> str:
    states = Counter(run.state for run in head.scheduler.open.values())
    if turn.stage and not head.scheduler.awaited:
        return f"waits for {turn.stage}, a job on the policy"
    running = states[TaskState.RUNNING]
    held_back = head.scheduler.awaited - states.total()
    unsent = f", {held_back} not submitted yet: the cluster takes no more now" if held_back else ""
    policy = f", and for {turn.stage} on the policy" if turn.stage else ""
    queued = states.total() - running
    return f"waits for {running} running and {queued} queued jobs{unsent}{policy}"


def _epoch(head: Head) -> str:
    book, search = head.book, head.config.search
    if any((BASELINE, seed) not in book.outcomes for seed in range(search.baseline_seeds)):
        return "the baseline is being measured"
    ideas = book.ideas_of(head.campaign.epoch)
    done = sum((idea.id, 0) in book.outcomes for idea in ideas)
    epoch = head.campaign.epoch + 1
    return f"epoch {epoch} of {search.epochs}: {done} of {len(ideas)} ideas done"
