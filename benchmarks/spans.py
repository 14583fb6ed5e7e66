"""What a schedule made of its nodes: when tasks held them, and which results were read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

RUN_MINUTES, SLEEP_MINUTES, POLL_MINUTES, SHARE_READ = 33, 90, 20, 0.3
"""The schedule of the paper's release: generate everything, submit, sleep, poll, go on at 30 %."""


@dataclass(frozen=True)
class Workload:
    """So many ideas in so many epochs on so many nodes, each training for so many seconds."""

    ideas: int
    epochs: int
    seconds: float
    nodes: int = 4

    @property
    def per_epoch(self) -> int:
        """Return the ideas of one epoch."""
        return self.ideas // self.epochs


@dataclass(frozen=True)
class Span:
    """When a task held its node, and whether anybody read what came of it. Seconds."""

    start: float
    end: float
    was_read: bool = True


@dataclass(frozen=True)
class Measured:
    """One schedule, as it went."""

    name: str
    nodes: int
    spans: tuple[Span, ...]
    calls: Counter[str] = field(default_factory=Counter[str])

    @property
    def seconds(self) -> float:
        """Return the time from the first start to the last end."""
        return max(span.end for span in self.spans) - min(span.start for span in self.spans)

    @property
    def mean_task(self) -> float:
        """Return the mean seconds for which a task held its node."""
        return sum(span.end - span.start for span in self.spans) / len(self.spans)

    @property
    def read(self) -> int:
        """Return the number of results that were read."""
        return sum(span.was_read for span in self.spans)

    @property
    def utilisation(self) -> float:
        """Return useful node-seconds over available ones."""
        useful = sum(span.end - span.start for span in self.spans if span.was_read)
        return useful / (self.nodes * self.seconds)

    @property
    def gap(self) -> float:
        """Return how long a node stands free between two tasks, if that is all that it lacks."""
        return self.mean_task * (1 / self.utilisation - 1)
