"""What a scoring comes to: a measured loss, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A measured loss. `metric` is the mean over all tokens, in nats; its error over sequences.

    For `compared` sequences, a second process answered alike.
    """

    metric: float
    standard_error: float
    tokens: int
    sequences: int
    protocol: str
    predictors: int
    compared: int


class CandidateFailed(Exception):
    """The candidate cannot be scored. `reason` is one of airr.records.Reason."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
