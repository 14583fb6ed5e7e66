"""Batches as the Message Batches API keeps them: listed, looked at, and read once ended."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any


class BatchFate(StrEnum):
    """What becomes of a submission."""

    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """It is taken, and the connection breaks before the answer."""
    LOST = "lost"
    """It never arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBatch:
    """One batch, with the results that it has once it has ended."""

    id: str
    created_at: datetime
    ends_at: float
    results: dict[str, dict[str, Any]]

    @property
    def has_ended(self) -> bool:
        return time.monotonic() >= self.ends_at

    def told(self, url: str) -> dict[str, Any]:
        """Return what the API says of it."""
        counts = dict.fromkeys(("canceled", "errored", "expired", "processing", "succeeded"), 0)
        for result in self.results.values():
            counts[result["type"] if self.has_ended else "processing"] += 1
        return {
            "id": self.id,
            "type": "message_batch",
            "created_at": self.created_at.isoformat(),
            "expires_at": (self.created_at + timedelta(days=1)).isoformat(),
            "processing_status": "ended" if self.has_ended else "in_progress",
            "request_counts": counts,
            "results_url": f"{url}/v1/messages/batches/{self.id}/results"
            if self.has_ended
            else None,
        }


@dataclass(slots=True)
class BatchDesk:
    """All batches of an account. `seconds` is how long one takes; `fate` goes by its number."""

    seconds: float = 0.2
    fate: Callable[[int], BatchFate] = lambda _: BatchFate.ANSWERED
    kept: dict[str, KeptBatch] = field(default_factory=dict[str, KeptBatch])
    looks: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    def take(self, results: dict[str, dict[str, Any]], url: str) -> bytes:
        """Keep a batch, and return what is answered."""
        batch = KeptBatch(
            id=f"msgbatch_{len(self.kept):04d}",
            created_at=datetime.now(UTC),
            ends_at=time.monotonic() + self.seconds,
            results=results,
        )
        self.kept[batch.id] = batch
        return json.dumps(batch.told(url)).encode()

    def look(self, path: str, url: str) -> tuple[int, bytes]:
        """Return the status and the body for a path below /v1/messages/batches."""
        self.looks.append((time.monotonic(), path))
        found = re.fullmatch(r"/v1/messages/batches(?:/(\w+)(/results)?)?(?:\?.*)?", path)
        if found is None or (found[1] and found[1] not in self.kept):
            return 404, b'{"type":"error","error":{"type":"not_found_error","message":"no"}}'
        if not found[1]:
            listed = [batch.told(url) for batch in reversed(self.kept.values())]
            page = {"data": listed, "has_more": False, "first_id": None, "last_id": None}
            return 200, json.dumps(page).encode()
        batch = self.kept[found[1]]
        if not found[2]:
            return 200, json.dumps(batch.told(url)).encode()
        lines = [
            json.dumps({"custom_id": name, "result": result})
            for name, result in batch.results.items()
        ]
        return 200, "\n".join(lines).encode()
