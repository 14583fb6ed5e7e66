"""How a run ended -> may its patch be mended, and the idea be run again? Pure.

A crash right at the start of the real run is what the preflight could not see: another scale,
another device, a later step. Its traceback is worth a question to the model, like a patch error.
"""

from __future__ import annotations

from dataclasses import dataclass

from airr.records import BASELINE, Failed, Outcome, Reason, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """At most so many further runs of an idea, after crashes in the first seconds of training."""

    runs: int
    seconds: float

    def is_due(self, outcome: Outcome, mended: int) -> bool:
        """Tell whether an idea's patch, `mended` so often already, is to be mended once more."""
        return (
            isinstance(outcome, Failed)
            and (outcome.stage, outcome.reason) == (Stage.TRAIN, Reason.CRASH)
            and outcome.train_seconds < self.seconds
            and outcome.idea_id != BASELINE
            and outcome.repeat == 0
            and mended < self.runs
        )
