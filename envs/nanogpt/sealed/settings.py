"""What an environment's `score_settings` say; their words stand in conf/env/."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOLS = ("stream", "audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a candidate is asked. `tolerance` is in nats, of a mean; `probe_tolerance`, of a token.

    `predictors` of 0 means one for each GPU, or one on the CPU; `compared` of 0, that no second
    process is asked.
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

    def __post_init__(self) -> None:
        """Refuse what cannot be measured with."""
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol={self.protocol!r} is unknown: it takes {PROTOCOLS}")
        if self.protocol == "audit" and not self.compared:
            raise ValueError("protocol=audit needs compared: only a second process tells probes")
