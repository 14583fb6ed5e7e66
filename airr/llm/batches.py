"""Requests that may wait -> one batch: half the price, and up to a day.

Requests that come soon after one another go out together. What is sent stands in a file before it
is sent, and the batch's id before the batch is awaited:

    {"kind":"sent","batch":"5f0c","members":["<custom id>", ...],"at":1795600000.0}
    {"kind":"known","batch":"5f0c","id":"msgbatch_01..."}

So a head that was killed finds each of its requests in the batch that it went out in, and pays for
none twice. A submission that was not answered may have been carried out all the same: it is looked
for among the account's batches, and sent again only if it is none of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from airr.errors import AirrError
from airr.llm.lines import LineFile
from airr.llm.protocol import Completion, Provider, Request, prompt_hash
from airr.llm.retry import Transient

log = logging.getLogger(__name__)

MOST_MEMBERS = 10_000
MOST_CHARACTERS = 100_000_000
"""Of all prompts of a batch together: the API takes 256 MB."""
POLL_SECONDS = (20.0, 300.0)
"""Between two looks at a batch: at first, and at most."""
CLOCKS_APART_SECONDS = 600.0
"""How far the endpoint's clock may be from ours."""
LOOKS = 2
"""How often a batch must be missing from the list before it counts as never sent."""

Results = Mapping[str, Completion | AirrError | Transient]
"""What came of each member of a batch, by its custom id."""


class Endpoint(Provider, Protocol):
    """A provider that also takes batches."""

    def takes_in_batch(self, request: Request) -> bool:
        """Tell whether a batch may hold this request."""
        ...

    async def send_batch(self, members: Mapping[str, Request]) -> str:
        """Send requests by their custom ids, and return the batch's id.

        Raises:
            Transient: nobody knows whether it arrived.
            AirrError: it was refused.
        """
        ...

    async def batches_since(self, at: float, count: int) -> Sequence[str]:
        """Return the ids of the account's batches of so many requests, sent since a unix time.

        Raises:
            ProviderError: they cannot be listed, however often that is tried.
        """
        ...

    async def results_of(self, batch_id: str) -> Results | None:
        """Return what came of a batch, or None if it has not ended yet.

        Raises:
            ProviderError: it cannot be looked at, however often that is tried.
        """
        ...


class Kind(StrEnum):
    """What a line of the file is."""

    SENT = "sent"
    KNOWN = "known"


@dataclass(slots=True, kw_only=True)
class _Batch:
    """One batch. `members` are requests by custom id; those of an earlier head are known by id."""

    name: str
    members: dict[str, Request | None] = field(default_factory=dict[str, Request | None])
    sent_at: float = 0.0
    batch_id: str = ""
    characters: int = 0
    grew: asyncio.Event = field(default_factory=asyncio.Event)
    results: asyncio.Task[Results] | None = None


class Batched:
    """A provider that lets the requests that may wait go out in batches."""

    def __init__(  # noqa: PLR0913 - its times, for tests
        self,
        endpoint: Endpoint,
        path: Path,
        *,
        settle_seconds: float = 3.0,
        look_again_seconds: float = 60.0,
        poll_seconds: tuple[float, float] = POLL_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep what is sent in the file at `path`, which is opened at the first request."""
        self._endpoint = endpoint
        self._path = path
        self._settle_seconds = settle_seconds
        self._look_again_seconds = look_again_seconds
        self._poll_seconds = poll_seconds
        self._sleep = sleep
        self._clock = clock
        self._lines: LineFile | None = None
        self._known_ids: set[str] = set()
        self._of_member: dict[str, _Batch] = {}
        self._open: _Batch | None = None

    @property
    def name(self) -> str:
        """Return the provider's name, as it stands in the ledger."""
        return self._endpoint.name

    async def complete(self, request: Request) -> Completion:
        """Answer one request; see `Provider`.

        Who waits for a batch may be cancelled, but the request stays in it and is billed.
        """
        if not (request.may_wait and self._endpoint.takes_in_batch(request)):
            return await self._endpoint.complete(request)
        self._read_file()
        member = custom_id(request)
        batch = self._of_member.get(member) or self._gather(member, request)
        if batch.members.get(member, request) is None:  # an earlier head sent it
            batch.members[member] = request
            batch.grew.set()
        if batch.results is None:
            batch.results = asyncio.create_task(self._take_through(batch))
        results = await asyncio.shield(batch.results)
        outcome = results.get(member, Transient("the batch holds no result for it"))
        if isinstance(outcome, Transient):
            log.warning("%s: %s in its batch; asking by itself", request.id, outcome)
            return await self._endpoint.complete(request)
        if isinstance(outcome, AirrError):
            raise outcome
        return outcome

    def _gather(self, member: str, request: Request) -> _Batch:
        """Put a request into the batch that is being gathered."""
        size = len(request.system) + sum(len(message.text) for message in request.messages)
        batch = self._open
        if batch is None or (
            len(batch.members) == MOST_MEMBERS or batch.characters + size > MOST_CHARACTERS
        ):
            batch = self._open = _Batch(name=uuid.uuid4().hex[:12])
        batch.members[member] = request
        batch.characters += size
        batch.grew.set()
        self._of_member[member] = batch
        return batch

    async def _take_through(self, batch: _Batch) -> Results:
        """Send a batch, unless an earlier head has, and wait for what comes of it."""
        if not batch.batch_id:
            await self._settled(batch)
            if batch.sent_at:
                batch.batch_id = await self._found(batch)
            while not batch.batch_id:
                batch.batch_id = await self._sent(batch) or await self._found(batch)
            self._note(Kind.KNOWN, batch, id=batch.batch_id)
        log.info("batch %s: awaiting %d answers", batch.batch_id, len(batch.members))
        return await self._awaited(batch.batch_id)

    async def _settled(self, batch: _Batch) -> None:
        """Wait until nothing has joined for a while; then nothing more may."""
        while batch.grew.is_set():
            batch.grew.clear()
            await self._sleep(self._settle_seconds)
        if self._open is batch:
            self._open = None

    async def _sent(self, batch: _Batch) -> str:
        """Return the id of a batch just sent, or "" if nobody knows whether it was.

        What an earlier head wanted and nobody has asked for since is left out.
        """
        members = {name: one for name, one in batch.members.items() if one is not None}
        batch.members = {**members}
        batch.sent_at = self._clock()
        self._note(Kind.SENT, batch, members=[*members], at=batch.sent_at)
        try:
            return await self._endpoint.send_batch(members)
        except Transient as fault:
            log.warning("no answer to a batch of %d: %s; looking for it", len(members), fault)
            return ""

    async def _found(self, batch: _Batch) -> str:
        """Return the id of a batch that may have been sent, or "" if it was not.

        Batches are told apart by what is in them, which shows once they have ended.
        """
        for look in range(LOOKS):
            if look:
                await self._sleep(self._look_again_seconds)
            since = batch.sent_at - CLOCKS_APART_SECONDS
            found = await self._endpoint.batches_since(since, len(batch.members))
            for batch_id in [one for one in found if one not in self._known_ids]:
                if batch.members.keys() & (await self._awaited(batch_id)).keys():
                    return batch_id
        return ""

    async def _awaited(self, batch_id: str) -> Results:
        """Return what came of a batch once it has ended, looking ever more seldom."""
        seconds, longest = self._poll_seconds
        while (results := await self._endpoint.results_of(batch_id)) is None:
            await self._sleep(seconds)
            seconds = min(longest, 1.5 * seconds)
        return results

    # ---- the file ------------------------------------------------------------------------------

    def _read_file(self) -> None:
        """Learn what earlier heads sent; requests are matched to it as they are asked again."""
        if self._lines is not None:
            return
        self._path.parent.mkdir(exist_ok=True)
        self._lines = LineFile(self._path)
        batches: dict[str, _Batch] = {}
        for place, record in self._lines.scan():
            match record:
                case {
                    "kind": Kind.SENT,
                    "batch": str(name),
                    "members": [*members],
                    "at": float(at),
                } if all(isinstance(member, str) for member in members):
                    batch = batches.setdefault(name, _Batch(name=name))
                    batch.members = dict.fromkeys(members)
                    batch.sent_at = at
                case {"kind": Kind.KNOWN, "batch": str(name), "id": str(batch_id)}:
                    batches.setdefault(name, _Batch(name=name)).batch_id = batch_id
                    self._known_ids.add(batch_id)
                case _:
                    self._lines.name_damage(place)
        for batch in batches.values():
            self._of_member |= dict.fromkeys(batch.members, batch)

    def _note(self, kind: Kind, batch: _Batch, **fields: object) -> None:
        assert self._lines is not None
        self._lines.append([{"kind": kind, "batch": batch.name, **fields}])
        if kind is Kind.KNOWN:
            self._known_ids.add(batch.batch_id)


def custom_id(request: Request) -> str:
    """Return the name of a request within a batch: the same in every head, and no other's."""
    return hashlib.sha256(f"{request.id}\0{prompt_hash(request)}".encode()).hexdigest()
