"""What a scoring comes to: a measured accuracy, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One checkpoint's share of right responses; the error is over problems, not responses.

    `formatted` and `cut_off` are the shares of responses with the asked form, and of those that
    did not end in the room they had; `undecided` counts answers that took too long to compare.
    """

    checkpoint: str
    accuracy: float
    standard_error: float
    formatted: float
    cut_off: float
    undecided: int


class CandidateFailed(Exception):
    """The candidate cannot be scored. `reason` is one of airr.records.Reason."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
