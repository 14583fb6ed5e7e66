"""An attempt that may fail for a while -> its result: waits, with jitter, up to a patience."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from airr.errors import ProviderError

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Transient(Exception):
    """An attempt failed in a way that waiting may mend.

    `retry_after` is how long the endpoint asks to be left alone, in seconds, 0 if it does not
    say. `overloaded` means that fewer requests at once would help.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0, overloaded: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overloaded = overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How long to wait between attempts, and altogether.

    The patience is long because an outage of minutes must not end a campaign of days.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    patience_seconds: float = 1800.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    rng: random.Random = field(default_factory=random.Random)

    async def call(self, attempt: Callable[[], Awaitable[Result]], doing: str) -> Result:
        """Return what `attempt` returns, calling it again after each `Transient`.

        Raises:
            ProviderError: the patience is spent, or the endpoint asks for more than is left.
        """
        waited = 0.0
        for count in itertools.count(1):
            try:
                return await attempt()
            except Transient as fault:
                delay = self._delay(count, fault.retry_after)
                if waited + delay > self.patience_seconds:
                    raise ProviderError(
                        f"{doing}: gave up after {count} attempts and {waited:.0f} s of waiting "
                        f"({fault}). Start the same command again once the endpoint is well: "
                        "what was answered is kept"
                    ) from fault
                log.warning("%s: %s; attempt %d in %.1f s", doing, fault, count + 1, delay)
            await self.sleep(delay)
            waited += delay
        raise AssertionError("itertools.count ended")

    def _delay(self, failures: int, retry_after: float) -> float:
        """Return an exponential delay, half of it random so that a crowd does not come back as one.

        What the endpoint asks for is a floor, not a ceiling.
        """
        full = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        jittered = full * self.rng.uniform(0.5, 1.0)
        return max(jittered, retry_after * self.rng.uniform(1.0, 1.1))
