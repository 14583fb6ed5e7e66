"""What endpoints of models send: streams, errors and batches, through the SDKs that read them."""

from __future__ import annotations

import asyncio
import atexit
import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from airr.errors import AirrError
from airr.llm.anthropic_batches import AnthropicBatches
from airr.llm.openai import OpenAI
from airr.llm.protocol import Completion, Message, Purpose, Request
from airr.llm.retry import Retry
from tests.fuzz.target import Target

KEY = "sk-ant-fuzz-0123456789"
REQUEST = Request(
    id="e00-i000/s0/r0", purpose=Purpose.IMPLEMENT, model="claude-opus-5-5", system="s",
    messages=(Message("user", "x"),), temperature=1.0, max_tokens=100, thinking_tokens=10, seed=0,
)  # fmt: skip
USAGE = {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 2}
CLAUDE: tuple[dict[str, Any], ...] = (
    {"type": "message_start", "message": {
        "id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": USAGE}},
    {"type": "content_block_start", "index": 0,
     "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0,
     "delta": {"type": "thinking_delta", "thinking": "so"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "[E]"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
     "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
)  # fmt: skip
CHAT: tuple[dict[str, Any], ...] = (
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [
        {"index": 0, "delta": {"role": "assistant", "content": "[E]", "reasoning": "so"}}]},
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [
        {"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [],
     "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12,
               "prompt_tokens_details": {"cached_tokens": 2},
               "completion_tokens_details": {"reasoning_tokens": 3}}},
)  # fmt: skip
SUCCEEDED = {
    "custom_id": "a",
    "result": {"type": "succeeded", "message": {
        "id": "m", "type": "message", "role": "assistant", "model": "claude", "usage": USAGE,
        "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}},
}  # fmt: skip
ERRORED = {
    "custom_id": "b",
    "result": {"type": "errored", "error": {"type": "error", "error": {
        "type": "invalid_request_error", "message": "prompt is too long"}}},
}  # fmt: skip
BATCH = {
    "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended",
    "created_at": "2026-11-28T10:00:00Z", "results_url": "http://127.0.0.1/results",
    "request_counts": {"canceled": 0, "errored": 1, "expired": 0, "processing": 0, "succeeded": 1},
}  # fmt: skip
STREAM, JSON = "text/event-stream", "application/json"
_served: list[httpx2.Response] = []


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    atexit.register(lambda: loop.run_until_complete(loop.shutdown_asyncgens()))
    return loop


def _served_by(*responses: tuple[int, str, bytes]) -> None:
    _served[:] = [
        httpx2.Response(status, headers={"content-type": kind, "retry-after": "0"}, content=body)
        for status, kind, body in reversed(responses)
    ]


def _transport() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: _served.pop()))


@cache
def _claude() -> AnthropicBatches:
    made = AnthropicBatches(concurrency=4, api_key=KEY, retry=Retry(patience_seconds=0))
    made._client = anthropic.AsyncAnthropic(api_key=KEY, max_retries=0, http_client=_transport())
    return made


@cache
def _openai() -> OpenAI:
    made = OpenAI(concurrency=4, api_key=KEY, retry=Retry(patience_seconds=0))
    made._client = openai.AsyncOpenAI(api_key=KEY, max_retries=0, http_client=_transport())
    return made


def _completed(ask: Callable[[Request], Awaitable[Completion]]) -> None:
    async def run() -> Completion:
        return await ask(REQUEST)

    found = _loop().run_until_complete(run())
    assert found.text.encode() is not None, "no lone surrogates"
    assert found.usage.thinking_tokens <= found.usage.output_tokens + 10**6
    assert min(found.usage.input_tokens, found.usage.output_tokens) >= 0


def _claude_stream(data: bytes) -> None:
    _served_by((200, STREAM, data))
    _completed(_claude().complete)


def _chat_stream(data: bytes) -> None:
    _served_by((200, STREAM, data))
    _completed(_openai().complete)


def _error_bodies(data: bytes) -> None:
    """Answer both with an error, whose status the first byte chooses."""
    status = (400, 401, 404, 413, 429, 500, 529, 418)[data[0] % 8 if data else 0]
    for ask in (_claude().complete, _openai().complete):
        _served_by((status, JSON, data[1:]))
        with pytest.raises(AirrError) as refused:
            _completed(ask)
        assert KEY not in str(refused.value), "a message quotes no key"


def _batch(data: bytes) -> None:
    """Answer with a batch that has ended, and these results."""
    _served_by(*[(200, JSON, json.dumps(BATCH).encode())] * 2, (200, "application/x-jsonl", data))
    _loop().run_until_complete(_claude().results_of("msgbatch_1"))


def _batches(data: bytes) -> None:
    _served_by((200, JSON, data), (200, JSON, b'{"data": []}'))
    _loop().run_until_complete(_claude().batches_since(0.0, 2))


def _events(events: tuple[dict[str, Any], ...], *, named: bool) -> bytes:
    lines = [
        (f"event: {one['type']}\n" if named else "") + f"data: {json.dumps(one)}\n\n"
        for one in events
    ]
    return "".join(lines).encode()


TARGETS = (
    Target(
        name="claude_stream",
        reads=("airr.llm.anthropic.completion_of", "airr.llm.streams.Understood"),
        read=_claude_stream,
        seeds=lambda: (_events(CLAUDE, named=True),),
        words=(b"event: ping\n", b"data: ", b"\n\n", b'"index": 9', b"null", b"[]", b"{}", b'"x"'),
    ),
    Target(
        name="chat_stream",
        reads=("airr.llm.chunks.Chunks.add", "airr.llm.streams.Understood"),
        read=_chat_stream,
        seeds=lambda: (_events(CHAT, named=False) + b"data: [DONE]\n\n",),
        words=(b"data: ", b"data: [DONE]\n\n", b"\n\n", b"null", b"[]", b"{}", b'"x"', b"error"),
    ),
    Target(
        name="error_bodies",
        reads=("airr.llm.faults.fault_of",),
        read=_error_bodies,
        seeds=lambda: tuple(
            bytes([status]) + json.dumps({"error": {"type": kind, "message": said}}).encode()
            for status, kind, said in (
                (0, "invalid_request_error", "prompt is too long"),
                (4, "rate_limit_error", "slow down"),
                (1, "authentication_error", f"bad key {KEY}"),
            )
        ),
        words=(b"null", b"[]", b'"error":', b'"message":', b"insufficient_quota"),
    ),
    Target(
        name="batch_results",
        reads=("airr.llm.anthropic_batches.AnthropicBatches.results_of",),
        read=_batch,
        seeds=lambda: (
            f"{json.dumps(SUCCEEDED)}\n{json.dumps(ERRORED)}\n".encode(),
            b'{"custom_id": "c", "result": {"type": "expired"}}\n',
        ),
        words=(b"null", b"[]", b"\n", b'"type": "canceled"'),
    ),
    Target(
        name="batch_list",
        reads=("airr.llm.anthropic_batches.AnthropicBatches.batches_since",),
        read=_batches,
        seeds=lambda: (json.dumps({"data": [BATCH], "has_more": False}).encode(),),
        words=(b"null", b"[]", b'"has_more": true'),
    ),
)
