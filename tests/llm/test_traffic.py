"""Waiting, narrowing and leading: the rules of the road, without an endpoint."""

import asyncio

import pytest

from airr.errors import ProviderError
from airr.llm.concurrency import AdaptiveLimit
from airr.llm.prefix import WARM_SECONDS, PrefixGate, shared_prefixes
from airr.llm.protocol import Message
from airr.llm.retry import Transient
from tests.llm.cases import impatient, request

LONG = "x" * 3000


async def fail(limit: AdaptiveLimit, *, overloaded: bool) -> None:
    with pytest.raises(Transient):
        async with limit.slot():
            raise Transient("no", overloaded=overloaded)


async def test_overload_halves_and_success_grows_back_to_the_bound():
    limit = AdaptiveLimit(16)
    for expected in (8, 4, 2, 1, 1):
        await fail(limit, overloaded=True)
        assert limit.limit == expected
    for _ in range(500):
        async with limit.slot():
            pass
    assert limit.limit == 16


async def test_a_fault_that_is_no_overload_narrows_nothing():
    limit = AdaptiveLimit(16)
    await fail(limit, overloaded=False)
    assert limit.limit == 16


async def test_requests_that_fail_together_halve_once():
    limit = AdaptiveLimit(16)
    together = asyncio.Barrier(16)

    async def one() -> None:
        async with limit.slot():
            await together.wait()
            raise Transient("no", overloaded=True)

    faults = await asyncio.gather(*(one() for _ in range(16)), return_exceptions=True)
    assert all(isinstance(fault, Transient) for fault in faults)
    assert limit.limit == 8


async def test_no_more_than_the_limit_are_under_way_and_in_order():
    limit, under_way, most, order = AdaptiveLimit(3), 0, 0, list[int]()

    async def one(number: int) -> None:
        nonlocal under_way, most
        async with limit.slot():
            order.append(number)
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1

    await asyncio.gather(*(one(i) for i in range(20)))
    assert most == 3
    assert order == list(range(20))


@pytest.mark.parametrize("is_granted", [False, True])
async def test_a_slot_is_not_lost_when_whoever_waits_for_it_is_cancelled(is_granted: bool):
    """Also when that happens between the grant and the moment in which the waiter resumes."""
    limit = AdaptiveLimit(1)

    async def wait_for_slot() -> None:
        async with limit.slot():
            pass

    async with limit.slot():
        waiter = asyncio.create_task(wait_for_slot())
        await asyncio.sleep(0)
        if not is_granted:
            waiter.cancel()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    async with asyncio.timeout(1), limit.slot():
        pass


async def test_waits_double_and_stop_growing_and_the_patience_ends_them():
    waits: list[float] = []

    async def attempt() -> None:
        raise Transient("down")

    with pytest.raises(ProviderError, match=r"asking: gave up after \d+ attempts .*down"):
        await impatient(waits, patience_seconds=600).call(attempt, "asking")
    assert all(0.5 * 2**i <= wait <= 2**i for i, wait in enumerate(waits[:6]))
    assert all(30 <= wait <= 60 for wait in waits[6:])
    assert 540 < sum(waits) <= 600


async def test_an_endpoint_that_asks_for_more_than_the_patience_is_given_up_at_once():
    waits: list[float] = []

    async def attempt() -> None:
        raise Transient("later", retry_after=7200)

    with pytest.raises(ProviderError):
        await impatient(waits).call(attempt, "asking")
    assert waits == []


async def test_what_is_no_transient_is_not_tried_again():
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await impatient().call(attempt, "asking")
    assert attempts == 1


async def test_followers_wait_for_the_first_token_of_the_leader_and_not_for_its_end():
    gate = PrefixGate()
    entered: list[int] = []
    begin, end = asyncio.Event(), asyncio.Event()

    async def one(number: int) -> None:
        async with gate.passing(["p"]) as begun:
            entered.append(number)
            await begin.wait()
            begun()
            await end.wait()

    tasks = [asyncio.create_task(one(i)) for i in range(4)]
    await asyncio.sleep(0.01)
    assert entered == [0]
    begin.set()
    await asyncio.sleep(0.01)
    assert entered == [0, 1, 2, 3]
    end.set()
    await asyncio.gather(*tasks)


async def test_a_cancelled_leader_hands_over():
    gate = PrefixGate()
    entered: list[int] = []

    async def one(number: int) -> None:
        async with gate.passing(["p"]):
            entered.append(number)
            await asyncio.sleep(60)

    tasks = [asyncio.create_task(one(i)) for i in range(3)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    assert entered == [0, 1]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_prefix_grows_cold_and_needs_a_leader_again():
    now = 0.0
    gate = PrefixGate(clock=lambda: now)
    async with gate.passing(["p"]) as begun:
        begun()
        now = WARM_SECONDS + 1  # the leader is still answering as its prefix grows cold
        async with gate.passing(["p"]), asyncio.timeout(1):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02), gate.passing(["p"]):
                    pass


def test_a_prefix_is_the_same_whatever_follows_and_short_ones_do_not_count():
    mark = Message("user", LONG, cache_until_here=True)
    one = request(messages=(mark, Message("user", "a")))
    other = request(messages=(mark, Message("user", "b")))
    assert len(shared_prefixes(one)) == 1
    assert shared_prefixes(one) == shared_prefixes(other)
    assert shared_prefixes(one) != shared_prefixes(
        request(messages=one.messages, model="claude-opus-4-6")
    )
    assert shared_prefixes(request()) == ()
    assert len(shared_prefixes(request(system=LONG, messages=one.messages))) == 2
