"""A request with its answer <-> the records that keep them in the journal.

A long text, such as the codebase that eight hundred prompts share, is a record of its own, stored
once and named by its sha256. Keys are in neither: only what was said is kept.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from airr.foreign import LARGEST_WHOLE
from airr.llm.protocol import Completion, Message, Request, StopReason, Usage
from airr.records import Call

NAME = re.compile(r"[0-9a-f]{64}")
SHORT_CHARACTERS = 200
"""Up to here a text stands in the entry itself: naming it would take nearly as much."""


class Kind(StrEnum):
    """What a record of the journal is."""

    CALL = "call"
    """A request and its answer."""
    TEXT = "text"
    """A long text that calls refer to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request, its answer, and what only the moment knew."""

    request: Request
    prompt_hash: str
    provider: str
    completion: Completion
    usd: float | None
    latency_seconds: float
    created_at: datetime


@lru_cache(maxsize=64)
def sha256(text: str) -> str:
    """Return the name of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def long_texts(request: Request) -> dict[str, str]:
    """Return the texts of a request that are stored apart, by sha256."""
    texts = (request.system, *(message.text for message in request.messages))
    return {sha256(text): text for text in texts if len(text) > SHORT_CHARACTERS}


def text_record(name: str, text: str) -> dict[str, Any]:
    """Return the record of a text stored apart."""
    return {"kind": Kind.TEXT, "sha256": name, "text": text}


def call_record(answered: Answered) -> dict[str, Any]:
    """Return the record of an answered request."""
    request = answered.request
    return {
        "kind": Kind.CALL,
        "id": request.id,
        "prompt_hash": answered.prompt_hash,
        "purpose": request.purpose,
        "provider": answered.provider,
        "model": request.model,
        "system": _reference(request.system),
        "messages": [[message.role, _reference(message.text)] for message in request.messages],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "thinking_tokens": request.thinking_tokens,
        "seed": request.seed,
        "left_out": request.left_out,
        "completion": _named(answered.completion) | {"usage": _named(answered.completion.usage)},
        "usd": answered.usd,
        "latency_seconds": answered.latency_seconds,
        "created_at": answered.created_at.isoformat(),
    }


def is_text(record: Any) -> bool:
    """Tell whether a record is that of a text stored apart."""
    match record:
        case {"kind": Kind.TEXT, "sha256": str(name), "text": str()}:
            return NAME.fullmatch(name) is not None
        case _:
            return False


def is_call(record: Any) -> bool:
    """Tell whether a record is that of an answered request, every part of it.

    Its line may be whole and foreign all the same: of another version, or written by hand.
    """
    match record:
        case {
            "kind": Kind.CALL,
            "id": str(),
            "prompt_hash": str(),
            "purpose": str(),
            "provider": str(),
            "model": str(),
            "completion": {"text": str(), "thinking": str(), "model": str(), "usage": dict(usage)},
            "latency_seconds": int() | float() as seconds,
            "usd": int() | float() | None as usd,
        }:
            numbers = (seconds, usd or 0, record["completion"].get("discount", 0.0))
            texts = (record.get("left_out", ""), record["completion"].get("stop_detail", ""))
        case _:
            return False
    try:
        call_in(record)
        prompt_in(record, lambda name: (NAME.fullmatch(name) and name) or "")
        return (
            all(isinstance(one, str) for one in texts)
            and all(math.isfinite(one) for one in numbers)
            and all(
                isinstance(tokens, int) and 0 <= tokens < LARGEST_WHOLE for tokens in usage.values()
            )
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return False


def completion_in(record: dict[str, Any]) -> Completion:
    """Return the answer that a record keeps."""
    raw = record["completion"]
    return Completion(
        **raw | {"stop_reason": StopReason(raw["stop_reason"]), "usage": Usage(**raw["usage"])},
    )


def call_in(record: dict[str, Any]) -> Call:
    """Return the ledger's row for a record."""
    completion = completion_in(record)
    return Call(
        id=record["id"],
        purpose=record["purpose"],
        provider=record["provider"],
        model=completion.model,
        prompt_hash=record["prompt_hash"],
        stop_reason=completion.stop_reason.value,
        left_out=record.get("left_out", ""),
        **_named(completion.usage),
        usd=record["usd"],
        latency_seconds=record["latency_seconds"],
        created_at=datetime.fromisoformat(record["created_at"]),
    )


def prompt_in(
    record: dict[str, Any], text_of: Callable[[str], str]
) -> tuple[str, tuple[Message, ...]]:
    """Return the system prompt and the messages of a record; `text_of` finds a text by sha256."""

    def resolve(reference: dict[str, str]) -> str:
        return reference["text"] if "text" in reference else text_of(reference["sha256"])

    messages = tuple(Message(role, resolve(reference)) for role, reference in record["messages"])
    return resolve(record["system"]), messages


def _reference(text: str) -> dict[str, str]:
    return {"sha256": sha256(text)} if len(text) > SHORT_CHARACTERS else {"text": text}


def _named(record: Completion | Usage) -> dict[str, Any]:
    """Return a record's values by name; `dataclasses.asdict` would copy each of them."""
    return {one.name: getattr(record, one.name) for one in fields(record)}
