"""What an SDK makes of an endpoint's answer, as far as it is what its types say.

SDKs take an answer on trust: fields that are missing or of another type come as they are, and what
is no answer of their API ends in whatever they stumble over. Either is a fault of the endpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

from airr.foreign import what_is
from airr.llm.retry import Transient

Event = TypeVar("Event")
STUMBLES = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What reading an answer ends in that has other fields than its types say, or is no JSON. The SDKs'
own errors are none of these."""
MOST_TOKENS = 10**12
"""Of one answer, and far more: sums of them still fit the ledger."""


@contextmanager
def on_trust() -> Generator[None]:
    """Take what an SDK hands over for what its types say.

    Raises:
        Transient: it is something else.
    """
    try:
        yield
    except STUMBLES as error:
        raise Transient(f"the answer is none, or broke off: {error!r:.200}") from error


class Understood(Generic[Event]):
    """The events of a stream; one that the SDK cannot make sense of ends in a `Transient`."""

    def __init__(self, stream: AsyncIterable[Event]) -> None:
        """Read this stream."""
        self._events = aiter(stream)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        with on_trust():
            return await anext(self._events)


def text_in(value: object) -> str:
    """Return a text of an answer, "" where there is none.

    Raises:
        Transient: something else stands in its place.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Transient(f"the answer is none: {what_is(value)} stands for a text")
    return value


def count_in(value: object) -> int:
    """Return a count of tokens, 0 where there is none.

    Raises:
        Transient: something else stands in its place.
    """
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MOST_TOKENS:
        raise Transient(f"the answer is none: {what_is(value)} counts its tokens")
    return value
