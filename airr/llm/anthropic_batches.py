"""Claude by the Message Batches API: half the price, answers within a day.

Imports the SDK, which takes a second: import this module only when it is about to be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
from anthropic.types.messages import MessageBatch, MessageBatchResult

from airr.errors import AirrError
from airr.llm.anthropic import Anthropic, completion_of, parameters
from airr.llm.batches import Results
from airr.llm.faults import Refusal, fault_of, status_in_stream
from airr.llm.protocol import Completion, Request
from airr.llm.retry import Retry, Transient
from airr.llm.streams import Understood, on_trust, text_in

DISCOUNT = 0.5
"""What a batch saves of the price, on input and output alike."""
LISTED_AT_ONCE = 100


class AnthropicBatches(Anthropic):
    """The Messages API, and its batches; see `airr.llm.batches.Endpoint`."""

    def __init__(self, *, retry: Retry | None = None, **settings: Any) -> None:
        """Take the settings of `Anthropic`."""
        super().__init__(retry=retry, **settings)
        self._retry = retry or Retry()

    def takes_in_batch(self, request: Request) -> bool:
        """Tell whether a request needs no header of its own, which a batch has no place for."""
        return "extra_headers" not in parameters(request)

    async def send_batch(self, members: Mapping[str, Request]) -> str:
        """Send requests by their custom ids, and return the batch's id."""
        requests: Any = [
            {"custom_id": name, "params": parameters(request)} for name, request in members.items()
        ]
        try:
            with on_trust():
                return text_in((await self._client.messages.batches.create(requests=requests)).id)
        except anthropic.APIError as error:
            raise self._fault(error, "a batch") from error

    async def batches_since(self, at: float, count: int) -> Sequence[str]:
        """Return the ids of the account's batches of so many requests, sent since a unix time."""

        async def once() -> list[str]:
            found: list[str] = []
            try:
                # the latest come first
                listed = self._client.messages.batches.list(limit=LISTED_AT_ONCE)
                async for batch in Understood(listed):
                    with on_trust():
                        is_older = batch.created_at.timestamp() < at
                        is_as_large = _size(batch) == count
                    if is_older:
                        break
                    if is_as_large:
                        found.append(text_in(batch.id))
            except anthropic.APIError as error:
                raise self._fault(error, "a batch") from error
            return found

        return await self._retry.call(once, "the list of batches")

    async def results_of(self, batch_id: str) -> Results | None:
        """Return what came of a batch, or None if it has not ended yet."""

        async def once() -> Results | None:
            batches = self._client.messages.batches
            try:
                with on_trust():
                    if (await batches.retrieve(batch_id)).processing_status != "ended":
                        return None
                    return {
                        text_in(one.custom_id): self._outcome(one.result)
                        async for one in await batches.results(batch_id)
                    }
            except anthropic.APIError as error:
                raise self._fault(error, "a batch") from error
            except httpx2.TransportError as error:
                raise Transient(f"the results broke off: {error!r}") from error

        return await self._retry.call(once, f"batch {batch_id}")

    def _outcome(self, result: MessageBatchResult) -> Completion | AirrError | Transient:
        if result.type == "succeeded":
            return replace(completion_of(result.message), discount=DISCOUNT)
        if result.type == "errored":
            error = result.error.error
            refusal = Refusal(
                status=status_in_stream(error.type),
                code=error.type,
                message=error.message,
                retry_after=0.0,
            )
            return fault_of(refusal, self._endpoint, "the model")
        return Transient(f"it was {result.type}")


def _size(batch: MessageBatch) -> int:
    counts = batch.request_counts
    return counts.canceled + counts.errored + counts.expired + counts.processing + counts.succeeded
