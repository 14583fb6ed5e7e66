"""Both providers, each over its real SDK, against a server that misbehaves in every known way."""

import asyncio
import time
from collections.abc import Callable

import pytest

from airr.errors import ProviderError
from airr.llm.faults import is_final
from airr.llm.protocol import ContextTooLong, StopReason
from tests.llm.cases import MODEL, impatient, request, serving, serving_at
from tests.llm.loopback import KEY, Asked, Fault, Loopback, Reply

pytestmark = pytest.mark.parametrize("kind", ["anthropic", "openai"])


def failing_first(times: int, fault: Reply) -> Callable[[Asked], Reply]:
    """Return a script whose first requests fail and whose later ones are answered."""
    return lambda asked: fault if asked.number < times else Reply(text="well again " * 200)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.RATE_LIMIT,
        Fault.OVERLOADED,
        Fault.SERVER_ERROR,
        Fault.DROPPED,
        Fault.ENDS_EARLY,
        Fault.ERROR_IN_STREAM,
    ],
)
async def test_a_passing_fault_is_waited_out_and_the_answer_is_whole(kind: str, fault: Fault):
    waits: list[float] = []
    with Loopback(failing_first(3, Reply(text="cut " * 1000, fault=fault))) as loopback:
        async with serving(kind, loopback, retry=impatient(waits)) as provider:
            completion = await provider.complete(request(model=MODEL[kind]))
    assert completion.text == "well again " * 200
    assert len(loopback.asked) == 4
    assert len(waits) == 3
    assert waits == sorted(waits)


async def test_a_silent_endpoint_is_given_up_after_the_timeout_and_asked_again(kind: str):
    with Loopback(failing_first(1, Reply(fault=Fault.HANGS, seconds=30.0))) as loopback:
        async with serving(kind, loopback, timeout_seconds=0.3) as provider:
            completion = await provider.complete(request(model=MODEL[kind]))
    assert completion.text.startswith("well again")


async def test_retry_after_is_waited_for_and_a_date_there_is_no_obstacle(kind: str):
    def script(asked: Asked) -> Reply:
        named = ["40", "Wed, 21 Oct 2026 07:28:00 GMT"]
        if asked.number < len(named):
            return Reply(fault=Fault.RATE_LIMIT, retry_after=named[asked.number])
        return Reply(text="done")

    waits: list[float] = []
    with Loopback(script) as loopback:
        async with serving(kind, loopback, retry=impatient(waits)) as provider:
            await provider.complete(request(model=MODEL[kind]))
    assert 40 <= waits[0] <= 44
    assert waits[1] < 3


async def test_an_endpoint_that_stays_down_ends_in_one_message(kind: str):
    with Loopback(lambda _: Reply(fault=Fault.OVERLOADED)) as loopback:
        async with serving(kind, loopback, retry=impatient(patience_seconds=30)) as provider:
            with pytest.raises(ProviderError, match=r"gave up after \d+ attempts.*HTTP 529"):
                await provider.complete(request(model=MODEL[kind]))


async def test_an_endpoint_that_is_not_there_ends_in_one_message(kind: str):
    with Loopback(lambda _: "unused") as loopback:
        pass
    async with serving(kind, loopback, retry=impatient(patience_seconds=5)) as provider:
        with pytest.raises(ProviderError, match=r"gave up.*127\.0\.0\.1"):
            await provider.complete(request(model=MODEL[kind]))


async def test_an_invalid_key_is_named_by_its_variable_and_never_quoted(kind: str):
    with Loopback(lambda _: "unused") as loopback:
        async with serving(kind, loopback, api_key="sk-wrong-secret") as provider:
            with pytest.raises(ProviderError) as caught:
                await provider.complete(request(model=MODEL[kind]))
    assert f"{kind.upper()}_API_KEY" in str(caught.value)
    assert "sk-wrong-secret" not in str(caught.value)
    assert len(loopback.asked) == 1


async def test_an_unknown_model_is_named_at_once(kind: str):
    with Loopback(lambda _: "unused") as loopback:
        async with serving(kind, loopback) as provider:
            with pytest.raises(ProviderError, match="does not know model 'claude-99'"):
                await provider.complete(request(model="claude-99"))
    assert len(loopback.asked) == 1


async def test_a_prompt_that_is_too_long_is_an_error_of_its_own(kind: str):
    with Loopback(lambda _: Reply(fault=Fault.CONTEXT_TOO_LONG)) as loopback:
        async with serving(kind, loopback) as provider:
            with pytest.raises(ContextTooLong, match="212345 tokens"):
                await provider.complete(request(model=MODEL[kind]))
    assert len(loopback.asked) == 1


async def test_an_empty_account_is_not_waited_for_though_it_comes_as_429(kind: str):
    with Loopback(lambda _: Reply(fault=Fault.OUT_OF_MONEY)) as loopback:
        async with serving(kind, loopback) as provider:
            with pytest.raises(ProviderError, match="wants payment"):
                await provider.complete(request(model=MODEL[kind]))
    assert len(loopback.asked) == 1


@pytest.mark.parametrize(
    ("reply", "stop"),
    [
        (Reply(text="I would rather not", stop="refusal"), StopReason.REFUSAL),
        (Reply(text="half an ans", stop="max_tokens"), StopReason.MAX_TOKENS),
        (Reply(text=""), StopReason.END),
        (Reply(text="", stop="refusal"), StopReason.REFUSAL),
    ],
)
async def test_refused_truncated_and_empty_answers_are_answers(
    kind: str, reply: Reply, stop: StopReason
):
    with Loopback(lambda _: reply) as loopback:
        async with serving(kind, loopback) as provider:
            completion = await provider.complete(request(model=MODEL[kind]))
    assert (completion.text, completion.stop_reason) == (reply.text, stop)
    assert len(loopback.asked) == 1


async def test_a_lone_surrogate_in_an_answer_is_replaced(kind: str):
    with Loopback(lambda _: Reply(text="odd \ud83d end", thinking="\udc00")) as loopback:
        async with serving(kind, loopback) as provider:
            completion = await provider.complete(request(model=MODEL[kind]))
    assert completion.text == "odd ? end"
    assert completion.thinking == "?"


async def test_cancelling_the_task_hangs_up(kind: str):
    with Loopback(lambda _: Reply(text="slow", seconds=20.0)) as loopback:
        async with serving(kind, loopback) as provider:
            task = asyncio.create_task(provider.complete(request(model=MODEL[kind])))
            while not loopback.asked:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            deadline = time.monotonic() + 5
            while not loopback.hung_up and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
    assert loopback.hung_up == 1
    assert loopback.billed == []


async def test_rate_limits_narrow_the_stream_and_nothing_fails(kind: str):
    """The server takes 4 at once and refuses the rest: all 40 are answered in the end."""

    def script(asked: Asked) -> Reply:
        if loopback.under_way > 4:
            return Reply(fault=Fault.RATE_LIMIT)
        return Reply(text=asked.prompt, seconds=0.05)

    with Loopback(script) as loopback:
        async with serving(kind, loopback, concurrency=32) as provider:
            completions = await asyncio.gather(
                *(provider.complete(request(f"idea {i}", model=MODEL[kind])) for i in range(40))
            )
    assert [c.text for c in completions] == [f"idea {i}" for i in range(40)]
    refused = len(loopback.asked) - 40
    assert refused < 120


async def test_the_sdk_sends_the_key_and_nothing_else_of_the_environment(kind: str):
    with Loopback(lambda _: "yes") as loopback:
        async with serving(kind, loopback) as provider:
            await provider.complete(request(model=MODEL[kind]))
    assert loopback.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(loopback.asked[0].body)


async def test_a_wrong_key_is_found_by_a_look_at_the_model_and_no_question(kind: str):
    with Loopback(lambda _: "yes") as loopback:
        async with serving(kind, loopback, api_key="sk-wrong") as provider:
            with pytest.raises(ProviderError, match="does not accept the key") as told:
                provider.check(MODEL[kind])
        async with serving(kind, loopback) as provider:
            assert provider.check(MODEL[kind])
            assert not provider.check("alias of a gateway, which describes no models")
    assert "sk-wrong" not in str(told.value)
    assert loopback.asked == []


async def test_an_endpoint_that_describes_nothing_or_is_down_is_no_reason_to_refuse(kind: str):
    with Loopback(lambda _: "yes") as loopback:
        address = loopback.url
    async with serving_at(kind, address) as provider:
        assert not provider.check(MODEL[kind])


@pytest.mark.parametrize(
    ("status", "said", "hosted", "final"),
    [
        (401, "invalid x-api-key", True, True),
        (401, "Missing scopes: api.model.read", True, False),
        (403, "no permission", True, False),
        (404, "model: gpt-nine", True, True),
        (404, "no such page", False, False),
        (529, "overloaded", True, False),
    ],
)
def test_only_what_refuses_every_question_is_final(
    kind: str, status: int, said: str, hosted: bool, final: bool
):
    error = Exception(f"{kind}: {said}")
    error.status_code = status  # pyright: ignore[reportAttributeAccessIssue]
    assert is_final(error, hosted=hosted) is final
