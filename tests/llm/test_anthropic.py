"""Claude over the real SDK: caching, thinking, sampling and what is billed."""

import asyncio

import pytest

from airr.errors import ProviderError
from airr.llm.anthropic import Anthropic, parameters
from airr.llm.protocol import Message, StopReason
from tests.llm.cases import request, serving
from tests.llm.loopback import Asked, Fault, Loopback, Reply

CODEBASE = "def train(step): ...\n" * 1000


def shared(index: int, codebase: str = CODEBASE, **changes: object):
    messages = (Message("user", codebase, cache_until_here=True), Message("user", f"idea {index}"))
    return request(f"idea {index}", messages=messages, **changes)


async def test_an_answer_comes_with_its_thinking_and_all_its_tokens():
    reply = Reply(text="an idea " * 100, thinking="let me see " * 300)
    with Loopback(lambda _: reply) as loopback:
        async with serving("anthropic", loopback) as provider:
            completion = await provider.complete(request(thinking_tokens=3000))
    assert completion.text == reply.text
    assert completion.thinking == reply.thinking
    assert completion.stop_reason is StopReason.END
    assert completion.usage.thinking_tokens == 825
    assert completion.usage.output_tokens == 825 + 200
    assert completion.usage.input_tokens == loopback.billed[0][1].fresh


async def test_a_fan_out_pays_for_its_shared_prefix_once():
    with Loopback(lambda _: Reply(text="ok", prefill_seconds=0.1, seconds=0.2)) as loopback:
        async with serving("anthropic", loopback) as provider:
            completions = await asyncio.gather(*(provider.complete(shared(i)) for i in range(12)))
    assert [c.usage.cache_write_tokens > 0 for c in completions].count(True) == 1
    assert sum(c.usage.cache_read_tokens for c in completions) == 11 * max(
        c.usage.cache_write_tokens for c in completions
    )
    assert loopback.most_under_way > 4


async def test_without_the_gate_every_request_of_a_fan_out_would_write_the_cache():
    """The server is what makes the test above mean something."""
    with Loopback(lambda _: Reply(text="ok", prefill_seconds=0.3)) as loopback:
        async with serving("anthropic", loopback) as one, serving("anthropic", loopback) as other:
            both = await asyncio.gather(one.complete(shared(1)), other.complete(shared(2)))
    assert all(c.usage.cache_write_tokens > 0 for c in both)


async def test_samples_of_ideas_share_the_codebase_and_each_idea_its_own_prefix():
    def sample(idea: int, index: int):
        messages = (
            Message("user", CODEBASE, cache_until_here=True),
            Message("user", f"idea {idea} " * 500, cache_until_here=True),
            Message("user", "write the diff"),
        )
        return request(f"{idea}.{index}", messages=messages)

    with Loopback(lambda _: Reply(text="ok", prefill_seconds=0.05)) as loopback:
        async with serving("anthropic", loopback) as provider:
            completions = await asyncio.gather(
                *(provider.complete(sample(idea, i)) for idea in range(4) for i in range(5))
            )
    written = sorted(c.usage.cache_write_tokens for c in completions)
    assert [tokens > 0 for tokens in written].count(True) == 4
    codebase_tokens = -(-len(CODEBASE) // 4)
    assert sum(written) < 2 * codebase_tokens


async def test_a_failed_leader_hands_over_and_the_prefix_is_still_paid_once():
    def script(asked: Asked) -> Reply:
        return (
            Reply(fault=Fault.SERVER_ERROR)
            if asked.number == 0
            else Reply(text="ok", prefill_seconds=0.05)
        )

    with Loopback(script) as loopback:
        async with serving("anthropic", loopback) as provider:
            await asyncio.gather(*(provider.complete(shared(i)) for i in range(6)))
    assert [bill.written > 0 for _, bill, _ in loopback.billed].count(True) == 1


async def test_a_temperature_reaches_the_models_that_take_one_under_the_older_api():
    with Loopback(lambda _: "ok") as loopback:
        async with serving("anthropic", loopback) as provider:
            await provider.complete(request(temperature=0.3, model="claude-opus-4-6"))
            await provider.complete(request(temperature=1.0, model="claude-opus-4-6"))
    first, second = loopback.asked
    assert first.body["temperature"] == 0.3
    assert first.headers["anthropic-version"] == "2023-06-01"
    assert "temperature" not in second.body
    assert second.headers["anthropic-version"] != "2023-06-01"


async def test_a_temperature_that_the_model_does_not_take_is_left_out_and_said_once(
    caplog: pytest.LogCaptureFixture,
):
    with Loopback(lambda _: "ok") as loopback:
        async with serving("anthropic", loopback) as provider:
            for i in range(2):
                await provider.complete(request(str(i), temperature=0.3, model="claude-opus-5-5"))
    assert all("temperature" not in asked.body for asked in loopback.asked)
    assert caplog.text.count("takes no temperature here: 0.3 is ignored") == 1


@pytest.mark.parametrize("model", ["claude-opus-4-5", "claude-opus-4-6", "claude-opus-5-5"])
@pytest.mark.parametrize("thinking_tokens", [0, 10, 1500, 3000, 20_000])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
async def test_every_generation_takes_what_it_is_sent(
    model: str, thinking_tokens: int, temperature: float
):
    asked = request(model=model, thinking_tokens=thinking_tokens, temperature=temperature)
    with Loopback(lambda _: "ok") as loopback:
        async with serving("anthropic", loopback) as provider:
            assert (await provider.complete(asked)).text == "ok"
    assert loopback.asked[0].body["max_tokens"] >= asked.max_tokens + thinking_tokens


async def test_a_refusal_says_what_the_endpoint_says_of_it():
    with Loopback(lambda _: Reply(text="", stop="refusal")) as loopback:
        async with serving("anthropic", loopback) as provider:
            completion = await provider.complete(request())
    assert completion.stop_detail == "cyber: declined"


def test_neighbours_of_one_role_share_a_turn_and_marks_stay_within_what_the_api_takes():
    roles = ["user", "user", "assistant", "user", "user", "user"]
    messages = tuple(
        Message(role, str(i), cache_until_here=role == "user") for i, role in enumerate(roles)
    )
    sent = parameters(request(messages=messages))
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    marked = [
        part["text"] for turn in sent["messages"] for part in turn["content"] if len(part) == 3
    ]
    assert marked == ["3", "4", "5"]
    assert sent["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_an_empty_system_prompt_is_left_out():
    assert "system" not in parameters(request(system=""))


def test_a_missing_key_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ProviderError, match="set ANTHROPIC_API_KEY"):
        Anthropic(concurrency=1)
