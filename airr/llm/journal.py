"""A request -> its answer, asked for at most once: on disk before it is used.

journal.jsonl in the campaign's folder holds every answer that was paid for. A restarted campaign
asks the same requests again and is answered from there, for nothing. One process writes it, the
head; `lines` says how a line is kept, `entries` what stands in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from airr.errors import WorkspaceError
from airr.llm.entries import (
    Answered,
    Kind,
    call_in,
    call_record,
    completion_in,
    is_call,
    is_text,
    long_texts,
    prompt_in,
    text_record,
)
from airr.llm.lines import LineFile, Place
from airr.llm.prices import PriceTable, usd_of
from airr.llm.protocol import (
    Completion,
    CutShort,
    Message,
    Provider,
    Request,
    StopReason,
    prompt_hash,
)
from airr.records import Call

Key = bytes
"""Of a request's id and the hash of its prompt: the same id with another prompt is another one."""


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Journal:
    """The answers of one campaign. In memory stand only places in the file, not texts."""

    def __init__(
        self,
        path: Path,
        providers: Mapping[str, Provider],
        prices: PriceTable,
        *,
        guard: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the journal at `path`, which may not be there yet.

        `providers` answer by purpose, or by purpose and member (`Request.served_by`). `guard` is
        called before every request and raises if this process may no longer write.
        """
        self.replayed = 0
        self._providers = providers
        self._prices = prices
        self._guard = guard
        self._now = now
        self._clock = clock
        self._calls: dict[Key, Place] = {}
        self._order = array("q")
        self._texts: dict[bytes, Place] = {}
        self._cancelled: set[Key] = set()
        self.usd = 0.0
        self.unpriced: Counter[str] = Counter()
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._lines = LineFile(path)
        for place, record in self._lines.scan():
            if is_text(record) or is_call(record):
                self._index(place, record)
            else:
                self._lines.name_damage(place)

    @property
    def path(self) -> Path:
        """Return where the journal stands."""
        return self._lines.path

    def __len__(self) -> int:
        """Return how many calls are kept."""
        return len(self._order)

    def holds(self, request: Request) -> bool:
        """Tell whether a request is answered from here, for nothing."""
        return _key(request.id, prompt_hash(request)) in self._calls

    def knows(self, call: Call) -> bool:
        """Tell whether a call of the ledger stands here too."""
        key = _key(call.id, call.prompt_hash)
        return key in self._calls or key in self._cancelled

    async def ask(self, request: Request) -> Completion:
        """Return the recorded answer, or ask the provider and record what it answers.

        Whoever asks for the same while it is asked waits for the one answer. What was billed of
        a call that is cancelled is recorded too, though it answers nothing; one that fails, or is
        cancelled before its answer began, leaves no trace.

        Raises:
            ContextTooLong, ProviderError: see `Provider`.
            WorkspaceError: the answer cannot be kept; from then on nothing more is asked.
        """
        key = _key(request.id, prompt_hash(request))
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            if key in self._calls:
                self.replayed += 1
                return completion_in(self._lines.read(self._calls[key]))
            self._lines.check_writable()
            self._guard()
            return await self._ask_provider(request)

    def calls_after(self, position: int) -> list[Call]:
        """Return the calls behind the first `position`, in the order of their answers.

        Positions count from the opening of the journal on: a head that has just started takes
        all of them, and leaves out those whose (id, prompt_hash) its ledger has.
        """
        return [call_in(self._lines.read(place)) for place in self._order[position:]]

    def prompt(self, position: int) -> tuple[str, tuple[Message, ...]]:
        """Return the system prompt and the messages of one call, as they were sent."""
        return prompt_in(self._lines.read(self._order[position]), self._text)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    async def _ask_provider(self, request: Request) -> Completion:
        began = self._clock()
        provider = self._providers[request.served_by]

        def keep(completion: Completion) -> None:
            self._keep(
                Answered(
                    request=request,
                    prompt_hash=prompt_hash(request),
                    provider=provider.name,
                    completion=completion,
                    usd=self._usd(request.model, completion),
                    latency_seconds=self._clock() - began,
                    created_at=self._now(),
                )
            )

        try:
            completion = await provider.complete(request)
        except CutShort as cut:
            with contextlib.suppress(WorkspaceError):  # then another head writes here by now
                self._guard()
                keep(cut.completion)
            raise
        keep(completion)
        return completion

    def _keep(self, answered: Answered) -> None:
        """Write an answer, and those of its texts that are new, in one durable append.

        Not awaited on purpose: nothing can come between an answer and its record.
        """
        texts = long_texts(answered.request)
        new = [name for name in texts if bytes.fromhex(name) not in self._texts]
        records = [*(text_record(name, texts[name]) for name in new), call_record(answered)]
        for place, record in zip(self._lines.append(records), records, strict=True):
            self._index(place, record)

    def _index(self, place: Place, record: dict[str, Any]) -> None:
        """Note where a record stands."""
        if record["kind"] == Kind.TEXT:
            self._texts[bytes.fromhex(record["sha256"])] = place
            return
        key = _key(record["id"], record["prompt_hash"])
        if record["completion"]["stop_reason"] == StopReason.CANCELLED:
            self._cancelled.add(key)
        else:
            self._calls[key] = place
        self._order.append(place)
        self._count(record)

    def _count(self, record: dict[str, Any]) -> None:
        """Add up what was spent; what had no price when it was spent may have one by now."""
        usd = record["usd"]
        if usd is None:
            completion = completion_in(record)
            usd = self._usd(record["model"], completion)
        if usd is None:
            self.unpriced[record["model"]] += 1
        else:
            self.usd += usd

    def _text(self, name: str) -> str:
        place = self._texts.get(bytes.fromhex(name))
        if place is None:
            raise WorkspaceError(f"{self._lines.path}: the line with text {name[:12]} is damaged")
        return self._lines.read(place)["text"]

    def _usd(self, asked_for: str, completion: Completion) -> float | None:
        """Price what the endpoint says it ran; an alias only it knows, by the name asked for."""
        usd = usd_of(completion.model, completion.usage, self._prices)
        if usd is None:
            usd = usd_of(asked_for, completion.usage, self._prices)
        return None if usd is None else usd * (1 - completion.discount)


def _key(request_id: str, prompt: str) -> Key:
    """Return a key of 16 bytes: there may be a million of them."""
    text = f"{request_id}\0{prompt}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
