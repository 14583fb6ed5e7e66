"""Input tokens as the endpoints bill them: a cache of prefixes that lives for a while.

A prefix can be read only once the answer of the request that writes it has begun, as at Anthropic.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LIFE_SECONDS = 300.0
SHORTEST_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a prompt. `is_marked` ends a prefix that is to be cached."""

    text: str
    is_marked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Input tokens of one request, by what they cost."""

    fresh: int
    read: int
    written: int

    @property
    def total(self) -> int:
        return self.fresh + self.read + self.written


def tokens_in(text: str) -> int:
    return -(-len(text) // 4)


class PrefixCache:
    """The prefixes that one model has cached."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def bill(self, model: str, blocks: Sequence[Block]) -> tuple[Bill, list[str]]:
        """Return the bill of a request, and the prefixes to `store` when its answer begins."""
        prefixes = _prefixes(model, blocks)
        marks = [i for i, block in enumerate(blocks) if block.is_marked]
        total = prefixes[-1][1] if prefixes else 0
        if not marks or prefixes[marks[-1]][1] < SHORTEST_TOKENS:
            return Bill(fresh=total, read=0, written=0), []
        with self._lock:
            now = self._clock()
            read = 0
            for key, length in prefixes[: marks[-1] + 1]:
                if self._until.get(key, 0.0) > now:
                    self._until[key] = now + LIFE_SECONDS
                    read = length
        cached = prefixes[marks[-1]][1]
        keys = [prefixes[i][0] for i in marks if prefixes[i][1] >= SHORTEST_TOKENS]
        return Bill(fresh=total - cached, read=read, written=cached - read), keys

    def store(self, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                self._until[key] = self._clock() + LIFE_SECONDS


def _prefixes(model: str, blocks: Sequence[Block]) -> list[tuple[str, int]]:
    """Return, for each block, the key of the prompt up to its end and the tokens so far."""
    digest, length = hashlib.sha256(model.encode()), 0
    prefixes: list[tuple[str, int]] = []
    for block in blocks:
        digest.update(f"\0{block.text}".encode())
        length += tokens_in(block.text)
        prefixes.append((digest.hexdigest(), length))
    return prefixes
