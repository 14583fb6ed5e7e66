"""Answers and errors in the words of the two APIs that the loopback server speaks."""

import json
from collections.abc import Iterator
from typing import Any

from tests.llm.accounting import Bill, Block, tokens_in

PIECE_CHARACTERS = 400
ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
OPENAI_STOPS = {"end_turn": "stop", "max_tokens": "length", "refusal": "content_filter"}


def pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield text[start : start + PIECE_CHARACTERS]


def anthropic_blocks(body: dict[str, Any]) -> list[Block]:
    system = body.get("system", [])
    parts = [*system, *(part for turn in body["messages"] for part in turn["content"])]
    return [Block(part["text"], "cache_control" in part) for part in parts]


def openai_blocks(body: dict[str, Any]) -> list[Block]:
    """Every message ends a prefix: these servers cache on their own account."""
    return [Block(turn["content"], is_marked=True) for turn in body["messages"]]


def anthropic_events(
    model: str, text: str, thinking: str, stop: str, bill: Bill
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a streamed message; its usage first, as far as it is known."""
    usage: dict[str, Any] = {
        "input_tokens": bill.fresh,
        "cache_creation_input_tokens": bill.written,
        "cache_read_input_tokens": bill.read,
        "output_tokens": 1,
    }
    message = {
        "id": "msg_loopback",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield "message_start", {"message": message}
    yield "ping", {}
    index = 0
    if thinking:
        yield from _block(index, "thinking", thinking)
        index += 1
    if text:
        yield from _block(index, "text", text)
    details = {"category": "cyber", "explanation": "declined"} if stop == "refusal" else None
    delta = {
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": details and {"type": "refusal", **details},
    }
    output = tokens_in(text) + tokens_in(thinking)
    counted = {
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": tokens_in(thinking)},
    }
    yield "message_delta", {"delta": delta, "usage": counted}
    yield "message_stop", {}


def anthropic_message(
    model: str, text: str, thinking: str, stop: str, bill: Bill
) -> dict[str, Any]:
    """Return a message that is not streamed, as a batch's results hold it."""
    thought = [{"type": "thinking", "thinking": thinking, "signature": ""}] if thinking else []
    said = [{"type": "text", "text": text}] if text else []
    return {
        "id": "msg_loopback",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [*thought, *said],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": bill.fresh,
            "cache_creation_input_tokens": bill.written,
            "cache_read_input_tokens": bill.read,
            "output_tokens": tokens_in(text) + tokens_in(thinking),
            "output_tokens_details": {"thinking_tokens": tokens_in(thinking)},
        },
    }


def _block(index: int, kind: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    start = {"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
    yield "content_block_start", {"index": index, "content_block": start}
    for piece in pieces(text):
        delta = {"type": f"{kind}_delta", kind: piece}
        yield "content_block_delta", {"index": index, "delta": delta}
    yield "content_block_stop", {"index": index}


def anthropic_line(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def openai_chunks(
    model: str, text: str, thinking: str, stop: str, bill: Bill
) -> Iterator[dict[str, Any]]:
    head = {"id": "chat_loopback", "object": "chat.completion.chunk", "created": 0, "model": model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(thinking):
        yield chunk({"reasoning_content": piece})
    for piece in pieces(text):
        yield chunk({"content": piece})
    yield chunk({}, OPENAI_STOPS[stop])
    output = tokens_in(text) + tokens_in(thinking)
    usage = {
        "prompt_tokens": bill.total,
        "completion_tokens": output,
        "total_tokens": bill.total + output,
        "prompt_tokens_details": {"cached_tokens": bill.read},
        "completion_tokens_details": {"reasoning_tokens": tokens_in(thinking)},
    }
    yield {**head, "choices": [], "usage": usage}


def openai_answer(model: str, text: str, thinking: str, stop: str, bill: Bill) -> dict[str, Any]:
    """Return a completion that was not asked for as a stream."""
    *_, last = openai_chunks(model, text, thinking, stop, bill)
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": OPENAI_STOPS[stop]}
    return {**last, "object": "chat.completion", "choices": [choice]}


def openai_line(chunk: dict[str, Any] | None) -> bytes:
    return f"data: {'[DONE]' if chunk is None else json.dumps(chunk)}\n\n".encode()


def error_body(is_anthropic: bool, status: int, message: str, code: str | None) -> bytes:
    if is_anthropic:
        error: dict[str, Any] = {"type": ANTHROPIC_ERRORS[status], "message": message}
        return json.dumps({"type": "error", "error": error}).encode()
    return json.dumps({"error": {"message": message, "type": "error", "code": code}}).encode()
