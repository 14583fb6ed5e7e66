"""A model endpoint on 127.0.0.1: Anthropic's Messages and OpenAI's chat completions, streamed.

What it answers is a function of what it is asked, and it misbehaves when that says so. It checks
keys, keeps every request, bills tokens with a prefix cache, and notices who hangs up.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.llm import wire
from tests.llm.accounting import Bill, PrefixCache, tokens_in
from tests.llm.batch_desk import BatchDesk, BatchFate

KEY = "sk-loopback-0123456789"
MODELS = (
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "local-model",
)


class Fault(StrEnum):
    """How a request goes wrong."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    QUOTES_KEY = "quotes_key"
    CONTEXT_TOO_LONG = "context_too_long"
    OUT_OF_MONEY = "out_of_money"
    HANGS = "hangs"
    DROPPED = "dropped"
    ENDS_EARLY = "ends_early"
    ERROR_IN_STREAM = "error_in_stream"


STATUS: dict[Fault, tuple[int, str, str | None]] = {
    Fault.RATE_LIMIT: (429, "slow down", "rate_limit_exceeded"),
    Fault.OVERLOADED: (529, "Overloaded", None),
    Fault.SERVER_ERROR: (500, "Internal server error", None),
    Fault.CONTEXT_TOO_LONG: (
        400,
        "prompt is too long: 212345 tokens > 200000 maximum",
        "context_length_exceeded",
    ),
    Fault.OUT_OF_MONEY: (429, "You exceeded your current quota: billing", "insufficient_quota"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer.

    `prefill_seconds` pass before the first event, and `seconds` between it and the rest.
    """

    text: str = ""
    thinking: str = ""
    stop: str = "end_turn"
    fault: Fault | None = None
    retry_after: str | None = None
    seconds: float = 0.0
    prefill_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it arrived. `number` counts from 0."""

    number: int
    is_anthropic: bool
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def prompt(self) -> str:
        """Return the last user text."""
        content = self.body["messages"][-1]["content"]
        return content[-1]["text"] if self.is_anthropic else content


Script = Callable[[Asked], Reply | str]


class Loopback:
    """The server, while the `with` block lasts. Its records may be read at any time."""

    def __init__(
        self,
        script: Script,
        clock: Callable[[], float] = time.monotonic,
        key: str | None = KEY,
        port: int = 0,
    ) -> None:
        self.script = script
        self.key = key
        self.asked: list[Asked] = []
        self.begun: list[tuple[Asked, Bill]] = []
        """Requests that the model read, with the input tokens that they are billed."""
        self.billed: list[tuple[Asked, Bill, int]] = []
        self.hung_up = 0
        self.under_way = 0
        self.most_under_way = 0
        self.cache = PrefixCache(clock)
        self.batches = BatchDesk()
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.loopback = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def answered(self) -> list[str]:
        """Return the prompts whose answers were sent whole, in order."""
        return [asked.prompt for asked, _, _ in self.billed]

    @property
    def billed_requests(self) -> list[Asked]:
        """Return the requests whose answers were sent whole, in order."""
        return [asked for asked, _, _ in self.billed]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, is_anthropic: bool, headers: dict[str, str], body: dict[str, Any]) -> Asked:
        with self.lock:
            asked = Asked(
                number=len(self.asked),
                is_anthropic=is_anthropic,
                headers=headers,
                body=body,
                at=time.monotonic(),
            )
            self.asked.append(asked)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        return asked


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    loopback: Loopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let those go in silence who were killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        status, body = 200, b""
        if "/models/" in self.path:
            status, body = self._described(self.server.loopback.key)
        elif self.path != "/health":
            status, body = self.server.loopback.batches.look(self.path, self.server.loopback.url)
        self._send(status, body)

    def _described(self, key: str | None) -> tuple[int, bytes]:
        """Return what there is to say of a model to who has the key."""
        model = self.path.rpartition("/")[2]
        is_anthropic = "anthropic-version" in self.headers
        if key and self.headers.get("authorization") != f"Bearer {key}":
            said = f"invalid key {self.headers.get('authorization')}"
            return 401, wire.error_body(is_anthropic, 401, said, None)
        if model not in MODELS:
            return 404, wire.error_body(is_anthropic, 404, f"model: {model}", "model_not_found")
        return 200, json.dumps({"id": model, "type": "model", "object": "model"}).encode()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _take_batch(self, loopback: Loopback, requests: list[dict[str, Any]]) -> None:
        fate = loopback.batches.fate(len(loopback.batches.kept))
        if fate is not BatchFate.LOST:
            results = {
                one["custom_id"]: self._in_batch(loopback, one["params"]) for one in requests
            }
            body = loopback.batches.take(results, loopback.url)
            if fate is BatchFate.ANSWERED:
                self._send(200, body)
                return
        self.close_connection = True

    def _in_batch(self, loopback: Loopback, body: dict[str, Any]) -> dict[str, Any]:
        """Return the result of one request of a batch."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = loopback.take(True, headers, body)
        loopback.under_way -= 1
        said = loopback.script(asked)
        reply = Reply(text=said) if isinstance(said, str) else said
        if reply.fault is Fault.HANGS:
            return {"type": "expired"}
        if reply.fault is not None:
            status, message, _ = STATUS[reply.fault]
            error = json.loads(wire.error_body(True, status, message, None))
            return {"type": "errored", "error": {**error, "request_id": None}}
        bill, keys = loopback.cache.bill(body["model"], wire.anthropic_blocks(body))
        loopback.cache.store(keys)
        with loopback.lock:
            output = tokens_in(reply.text) + tokens_in(reply.thinking)
            loopback.begun.append((asked, bill))
            loopback.billed.append((asked, bill, output))
        parts = (body["model"], reply.text, reply.thinking, reply.stop, bill)
        return {"type": "succeeded", "message": wire.anthropic_message(*parts)}

    def do_POST(self) -> None:
        loopback = self.server.loopback
        sent = self.rfile.read(length := int(self.headers["content-length"]))
        if len(sent) < length:  # it was killed while it asked
            self.close_connection = True
            return
        body = json.loads(sent)
        if self.path.endswith("/batches"):
            self._take_batch(loopback, body["requests"])
            return
        is_anthropic = self.path.endswith("/messages")
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = loopback.take(is_anthropic, headers, body)
        try:
            self._answer(loopback, asked)
        except (BrokenPipeError, ConnectionResetError):
            loopback.hung_up += 1
            self.close_connection = True
        finally:
            with loopback.lock:
                loopback.under_way -= 1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Keep quiet."""

    def _answer(self, loopback: Loopback, asked: Asked) -> None:
        if loopback.key and asked.headers.get("authorization") != f"Bearer {loopback.key}":
            self._refuse(asked, 401, f"invalid key {asked.headers.get('authorization')}")
        elif asked.body["model"] not in MODELS:
            self._refuse(asked, 404, f"model: {asked.body['model']}", code="model_not_found")
        elif complaint := _complaint(asked):
            self._refuse(asked, 400, complaint)
        else:
            reply = loopback.script(asked)
            self._reply(loopback, asked, Reply(text=reply) if isinstance(reply, str) else reply)

    def _reply(self, loopback: Loopback, asked: Asked, reply: Reply) -> None:
        if reply.fault is not None and reply.fault in STATUS:
            status, message, code = STATUS[reply.fault]
            self._refuse(asked, status, message, code=code, retry_after=reply.retry_after)
        elif reply.fault is Fault.QUOTES_KEY:
            self._refuse(asked, 500, f"no luck with {asked.headers.get('authorization')}")
        elif reply.fault is Fault.HANGS:
            loopback.stopping.wait(reply.seconds)
            self.close_connection = True
        else:
            self._stream(loopback, asked, reply)

    def _refuse(
        self,
        asked: Asked,
        status: int,
        message: str,
        code: str | None = None,
        retry_after: str | None = None,
    ) -> None:
        body = wire.error_body(asked.is_anthropic, status, message, code)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if retry_after is not None:
            self.send_header("retry-after", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, loopback: Loopback, asked: Asked, reply: Reply) -> None:
        blocks = (wire.anthropic_blocks if asked.is_anthropic else wire.openai_blocks)(asked.body)
        bill, cached = loopback.cache.bill(asked.body["model"], blocks)
        loopback.begun.append((asked, bill))
        loopback.stopping.wait(reply.prefill_seconds)
        if not asked.is_anthropic and not asked.body.get("stream"):
            parts = (asked.body["model"], reply.text, reply.thinking, reply.stop, bill)
            self._send(200, json.dumps(wire.openai_answer(*parts)).encode())
            self._note_billed(loopback, asked, reply, bill)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        lines = list(_lines(asked, reply, bill))
        loopback.cache.store(cached)
        self._chunk(lines[0])
        self._pause(loopback, reply.seconds)
        broken = reply.fault is not None
        for line in lines[1 : len(lines) // 2 if broken else None]:
            self._chunk(line)
        if reply.fault is Fault.ERROR_IN_STREAM:
            self._chunk(_error_line(asked))
        if reply.fault is Fault.DROPPED:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")
        if not broken:
            self._note_billed(loopback, asked, reply, bill)

    def _note_billed(self, loopback: Loopback, asked: Asked, reply: Reply, bill: Bill) -> None:
        with loopback.lock:
            output = tokens_in(reply.text) + tokens_in(reply.thinking)
            loopback.billed.append((asked, bill, output))

    def _pause(self, loopback: Loopback, seconds: float) -> None:
        """Wait while sending comments, so that a client that has hung up is noticed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not loopback.stopping.wait(min(0.02, seconds)):
            self._chunk(b": still here\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def _complaint(asked: Asked) -> str:
    """Return what the real API would find wrong with the parameters, "" if nothing."""
    body = asked.body
    if not asked.is_anthropic:
        return ""
    new = asked.headers["anthropic-version"] != "2023-06-01"
    if "temperature" in body and (new or "thinking" in body or "5-5" in body["model"]):
        return "temperature: Extra inputs are not permitted"
    kind = body.get("thinking", {}).get("type")
    if kind == "enabled" and not 1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]:
        return "thinking.budget_tokens must be at least 1024 and less than max_tokens"
    takes = "enabled" if body["model"] == "claude-opus-4-5" else "adaptive"
    if kind not in (None, takes):
        return f"thinking.type.{kind} is not supported for this model"
    marks = sum("cache_control" in part for part in body.get("system", []))
    marks += sum("cache_control" in part for turn in body["messages"] for part in turn["content"])
    return "at most 4 blocks with cache_control" if marks > 4 else ""


def _lines(asked: Asked, reply: Reply, bill: Bill) -> Iterator[bytes]:
    model = asked.body["model"]
    parts = (model, reply.text, reply.thinking, reply.stop, bill)
    if asked.is_anthropic:
        yield from (wire.anthropic_line(*event) for event in wire.anthropic_events(*parts))
    else:
        yield from (wire.openai_line(chunk) for chunk in wire.openai_chunks(*parts))
        yield wire.openai_line(None)


def _error_line(asked: Asked) -> bytes:
    if asked.is_anthropic:
        error = {"type": "overloaded_error", "message": "Overloaded"}
        return wire.anthropic_line("error", {"error": error})
    return wire.openai_line({"error": {"message": "Overloaded", "type": "server_error"}})
