"""Copies of a training's checkpoints -> when the first of them reached the target.

They are scored after training, so the clock leaves scoring out; saving them it counts. The search
halves the range: a loss that rises again after it reached the target may hide an earlier success,
never make a later one early.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from airr.batch import Race
from airr.records import INFRASTRUCTURE, Reason
from airr.worker.score import Measurement, Scoring
from airr.worker.snapshots import Snapshot
from airr.worker.train import Trouble


def run_race(
    race: Race, snapshots: Sequence[Snapshot], checkpoint: Path, score: Callable[[], Scoring]
) -> Scoring:
    """Return the seconds to the target as a measurement; `score` measures `checkpoint`.

    The last copy decides whether the target was reached at all, and is judged as any checkpoint
    is: a cheat ends the race.
    """
    spent = 0.0

    def measured(place: int) -> Scoring:
        nonlocal spent
        beside = checkpoint.with_name(f".{checkpoint.name}.copy")
        shutil.copyfile(snapshots[place].path, beside)
        beside.replace(checkpoint)
        found = score()
        spent += found.seconds
        return replace(found, finding=_judged(race, found.finding))

    last = measured(len(snapshots) - 1)
    if isinstance(last.finding, Trouble):
        return last
    if not race.is_won_by(last.finding.metric):
        detail = (
            f"{last.finding.metric:.4f} after {snapshots[-1].seconds:.0f} s, the last of "
            f"{len(snapshots)} checkpoints: {race.target:g} was not reached"
        )
        return replace(last, finding=Trouble(Reason.NOT_REACHED, detail), seconds=spent)
    without, reached = -1, len(snapshots) - 1
    while reached - without > 1:
        place = (without + reached) // 2
        finding = measured(place).finding
        if isinstance(finding, Trouble) and finding.reason in {*INFRASTRUCTURE, Reason.IMPLAUSIBLE}:
            return replace(last, finding=finding, seconds=spent)
        if isinstance(finding, Measurement) and race.is_won_by(finding.metric):
            reached = place
        else:
            without = place
    won = Measurement(metric=snapshots[reached].seconds, standard_error=None)
    return replace(last, finding=won, seconds=spent)


def _judged(race: Race, finding: Measurement | Trouble) -> Measurement | Trouble:
    low, high = race.plausible
    if isinstance(finding, Trouble) or low <= finding.metric <= high:
        return finding
    detail = f"a checkpoint has {finding.metric:.4g}, outside of the plausible {low:g} to {high:g}"
    return Trouble(Reason.IMPLAUSIBLE, detail)
