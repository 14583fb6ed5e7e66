"""OpenAI-compatible endpoints over the real SDK: what is sent, and what is billed."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openai.types.chat import ChatCompletionChunk

from airr.errors import ProviderError
from airr.llm.chunks import Chunks
from airr.llm.openai import OpenAI, parameters
from airr.llm.protocol import Message
from tests.llm.cases import impatient, request, serving, serving_at
from tests.llm.loopback import Loopback, Reply


async def test_an_answer_comes_with_its_reasoning_and_all_its_tokens():
    reply = Reply(text="an idea " * 100, thinking="let me see " * 300)
    with Loopback(lambda _: reply) as loopback:
        async with serving("openai", loopback) as provider:
            completion = await provider.complete(request(model="local-model"))
    assert completion.text == reply.text
    assert completion.thinking == reply.thinking
    assert completion.usage.thinking_tokens == 825
    assert completion.usage.output_tokens == 825 + 200
    assert completion.model == "local-model"


async def test_cached_tokens_are_taken_out_of_the_input():
    messages = (Message("user", "code " * 2000), Message("assistant", "ok"), Message("user", "go"))
    with Loopback(lambda _: "done") as loopback:
        async with serving("openai", loopback) as provider:
            asked = request(model="local-model", messages=messages)
            first = await provider.complete(asked)
            second = await provider.complete(asked)
    assert first.usage.cache_read_tokens == 0
    assert second.usage.cache_read_tokens == first.usage.input_tokens
    assert second.usage.input_tokens == 0


async def test_a_served_model_gets_the_whole_sampling(monkeypatch: pytest.MonkeyPatch):
    asked = request(model="local-model", temperature=0.7, seed=11, thinking_tokens=500)
    with Loopback(lambda _: "done") as loopback:
        async with serving("openai", loopback) as provider:
            await provider.complete(asked)
    body = loopback.asked[0].body
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.7, 11, 1500)


def test_openais_reasoning_models_get_an_effort_and_no_temperature():
    sent = parameters(request(model="gpt-6-sol", thinking_tokens=3000), is_hosted=True)
    assert sent["reasoning_effort"] == "medium"
    assert sent["max_completion_tokens"] > 4000
    assert "temperature" not in sent
    plain = parameters(request(model="gpt-4.1", temperature=0.2), is_hosted=True)
    assert (plain["temperature"], plain["max_completion_tokens"]) == (0.2, 1000)
    assert "reasoning_effort" not in plain


def test_neighbours_of_one_role_are_joined():
    sent = parameters(
        request(messages=(Message("user", "code"), Message("user", "idea"))), is_hosted=False
    )
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user"]
    assert sent["messages"][1]["content"] == "code\n\nidea"


def test_tokens_are_estimated_where_the_endpoint_counts_none():
    chunk = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "a" * 400}, "finish_reason": "stop"}],
    }
    chunks = Chunks()
    chunks.add(ChatCompletionChunk.model_validate(chunk))
    usage = chunks.completion(request(system="", prompt="b" * 80)).usage
    assert (usage.input_tokens, usage.output_tokens) == (20, 100)


async def test_a_served_model_is_asked_without_the_key_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-vendor")
    with Loopback(lambda _: "done", key=None) as loopback:
        async with serving("openai", loopback, api_key=None) as provider:
            await provider.complete(request(model="local-model"))
    assert "sk-secret-of-the-vendor" not in str(loopback.asked[0].headers)


class Page(BaseHTTPRequestHandler):
    """A web page where an endpoint should be."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>Welcome to the cluster</html>")

    def do_POST(self) -> None:
        self.do_GET()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


async def test_a_page_in_place_of_an_endpoint_is_told_from_an_answer_that_broke_off():
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            async with serving_at("openai", url, retry=impatient(patience_seconds=5)) as provider:
                await asyncio.to_thread(provider.check, "local-model")  # a gateway may know none
                with pytest.raises(ProviderError, match="is it an OpenAI-compatible endpoint that"):
                    await provider.complete(request(model="local-model"))
        finally:
            server.shutdown()


def test_a_missing_key_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ProviderError, match="set OPENAI_API_KEY"):
        OpenAI(concurrency=1)
