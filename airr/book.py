"""What a campaign knows to be settled: its ledger's rows, mirrored in the head's memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from airr.estimates import settled
from airr.ledger import Ledger, read_records
from airr.llm.journal import Journal
from airr.records import (
    Call,
    Idea,
    Outcome,
    OutcomeRow,
    Patch,
    Reason,
    Run,
    RunKey,
    RunState,
    Screening,
    Trial,
    Update,
    Wanted,
    outcome_of,
    trials_of,
)
from airr.summary import Spend, added, spend_by_role

CallKey = tuple[str, str, datetime]
"""A request may be billed more than once: cancelled first, and asked again after a restart."""

PatchKey = tuple[str, str | None, int, int]
"""(idea id, the run whose crash it mends, sample, revision)."""

Rung = tuple[str, int]
"""(idea id, rung of the screen)."""

Row = Idea | Patch | Run | Screening | OutcomeRow | Update


class Book:
    """The one way into the ledger; calls of the journal are entered along with whatever comes."""

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        """Read what earlier heads entered."""
        self._ledger = ledger
        self._journal = journal
        calls = read_records(ledger.folder, Call)
        answered, entered = journal.calls_after(0), set(map(_key, calls))
        self._journal_position = len(answered)
        self._waiting = [call for call in answered if _key(call) not in entered]
        self._spends = spend_by_role(calls)
        self.lost_calls = tuple(call for call in calls if not journal.knows(call))
        """Those that the journal, which answers what was asked before, no longer holds."""
        self.ideas: dict[str, Idea] = {}
        self.runs: dict[str, Run] = {}
        self.screens: dict[Rung, Screening] = {}
        self.outcomes: dict[Wanted, Outcome] = {}
        self.updates: dict[int, Update] = {}
        self.patched: set[str] = set()
        self.applied: dict[str, list[Patch]] = {}
        """Those that passed, of ideas without an outcome: they may yet have to be mended."""
        self._passed: Counter[str] = Counter()
        self._runs_of: defaultdict[str, list[Run]] = defaultdict(list)
        self._patches: set[PatchKey] = set()
        for kind in (Idea, Patch, Run, Screening, OutcomeRow, Update):
            self._mirror(read_records(ledger.folder, kind))

    def enter(self, rows: Sequence[Row] = ()) -> None:
        """Commit rows, and the calls answered since, all or none; know them from now on.

        Raises:
            WorkspaceError: another head has taken this campaign over.
            OSError: the disk does not take them; nothing was entered.
        """
        self._hear()
        self._ledger.append([*rows, *self._waiting])
        self._spends = added(self._spends, spend_by_role(self._waiting))
        self._waiting = []
        self._mirror(rows)

    def unknown(self, patches: Sequence[Patch]) -> list[Patch]:
        """Return the patches that are not entered: an idea may be implemented once more for free.

        So it is where its codebase, or its outcome, was lost.
        """
        return [patch for patch in patches if _patch_key(patch) not in self._patches]

    def spends(self) -> dict[str, Spend]:
        """Return what all calls of each role used up so far, for the roles that made any."""
        self._hear()
        return added(self._spends, spend_by_role(self._waiting))

    def gpu_hours(self) -> float:
        """Return what ended runs, and the jobs of finished updates, have used."""
        used = [*self.runs.values(), *self.updates.values()]
        return sum(one.gpu_seconds for one in used) / 3600

    def is_over(self, goal: RunKey) -> bool:
        """Tell whether it is known what came of a run, and not only of an attempt at it."""
        if goal.rung is None:
            return (goal.idea_id, goal.repeat) in self.outcomes
        return (goal.idea_id, goal.rung) in self.screens

    def next_attempt(self, goal: RunKey) -> int:
        """Return the number of the next attempt at a run."""
        return max((run.attempt for run in self._past(goal)), default=-1) + 1

    def bad_nodes(self, goal: RunKey) -> tuple[str, ...]:
        """Return the nodes that failed under earlier attempts."""
        failed = {run.node for run in self._past(goal) if run.state is RunState.NODE_FAIL}
        return tuple(sorted(failed - {""}))

    def mended(self, outcome: Outcome) -> int:
        """Return how often the patch of an idea was mended after such a run had crashed.

        Only the first seed's crashes are mended.
        """
        return max(0, self._passed[outcome.idea_id] - 1) if outcome.repeat == 0 else 0

    def crash_to_mend(self, idea_id: str) -> Run | None:
        """Return the run of an idea that crashed and whose patch is to be mended now, or None.

        A crash that is not to be mended is entered along with the outcome of its idea.
        """
        crashes = [
            run for run in self._runs_of[idea_id] if (run.repeat, run.reason) == (0, Reason.CRASH)
        ]
        passed = self._passed[idea_id]
        if (idea_id, 0) in self.outcomes or not passed or len(crashes) < passed:
            return None
        return crashes[-1] if crashes else None

    def ideas_of(self, epoch: int) -> tuple[Idea, ...]:
        """Return the ideas of one epoch, in order."""
        return tuple(idea for idea in self.ideas.values() if idea.epoch == epoch)

    def trials_before(self, epoch: int, first: int = 0) -> tuple[Trial, ...]:
        """Return what came of ideas proposed before that number of that epoch, in their order."""
        before = (idea for idea in self.ideas.values() if idea.place < (epoch, first))
        return trials_of(before, settled(self.outcomes))

    def _hear(self) -> None:
        """Take up what the journal has heard since; it waits to be entered."""
        heard = self._journal.calls_after(self._journal_position)
        self._journal_position += len(heard)
        self._waiting += heard

    def _past(self, goal: RunKey) -> list[Run]:
        wanted = (goal.repeat, goal.rung)
        return [run for run in self._runs_of[goal.idea_id] if (run.repeat, run.rung) == wanted]

    def _mirror(self, rows: Sequence[Row]) -> None:
        for row in rows:
            match row:
                case Idea():
                    self.ideas[row.id] = row
                case Run():
                    self.runs[row.id] = row
                    self._runs_of[row.idea_id].append(row)
                case Screening():
                    self.screens[row.idea_id, row.rung] = row
                case OutcomeRow():
                    self.outcomes[row.idea_id, row.repeat] = outcome_of(row)
                    self.applied.pop(row.idea_id, None)
                case Update():
                    self.updates[row.epoch] = row
                case Patch():
                    self._mirror_patch(row)

    def _mirror_patch(self, patch: Patch) -> None:
        self._patches.add(_patch_key(patch))
        if patch.applied:
            self.patched.add(patch.idea_id)
            self._passed[patch.idea_id] += 1
            self.applied.setdefault(patch.idea_id, []).append(patch)


def _patch_key(patch: Patch) -> PatchKey:
    return (patch.idea_id, patch.mends, patch.sample, patch.revision)


def _key(call: Call) -> CallKey:
    return (call.id, call.prompt_hash, call.created_at)
