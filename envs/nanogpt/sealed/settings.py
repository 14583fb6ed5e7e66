"""What an environment's `score_settings` say; their words stand in conf/env/."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a candidate is asked. `tolerance` is in nats, of a mean; `probe_tolerance`, of a token.

    `predictors` of 0 means one for each GPU, or one on the CPU.
    """

    protocol: str
    tokens: int
    batch: int
    whole: int
    compared: int
    tolerance: float
    probes: int
    probe_tolerance: float
    predictors: int
    start_seconds: float
