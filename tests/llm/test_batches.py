"""Batches over the real SDK: sent once whatever happens, found again, and read for nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airr.llm.anthropic_batches import AnthropicBatches
from airr.llm.batches import Batched, custom_id
from airr.llm.journal import Journal
from airr.llm.protocol import Completion, ContextTooLong, Purpose, Request
from tests.llm.batch_desk import BatchFate
from tests.llm.cases import PRICES, impatient, request
from tests.llm.loopback import KEY, Asked, Fault, Loopback, Reply

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def batched(url: str, folder: Path, **changes: Any) -> AsyncGenerator[Batched]:
    """Yield a provider with batches that does not waste a test's time."""
    endpoint = AnthropicBatches(concurrency=16, api_key=KEY, base_url=url, retry=impatient())
    times: dict[str, Any] = {
        "settle_seconds": 0.05, "look_again_seconds": 0.1, "poll_seconds": (0.05, 0.1),
    }  # fmt: skip
    yield Batched(endpoint, folder / "batches" / "ideator.jsonl", **times | changes)
    await endpoint.aclose()


def patient(number: int, **changes: Any) -> Request:
    return request(f"idea {number}", may_wait=True, **changes)


def answering(asked: Asked) -> str:
    return f"answer to {asked.prompt}"


async def ask_all(url: str, folder: Path, count: int) -> list[Completion]:
    async with batched(url, folder) as provider:
        return await asyncio.gather(*(provider.complete(patient(n)) for n in range(count)))


def members_asked(loopback: Loopback) -> Counter[str]:
    return Counter(asked.prompt for asked in loopback.asked)


async def test_what_comes_together_goes_out_as_one_batch_at_half_the_price(tmp_path: Path):
    with Loopback(answering) as loopback:
        async with batched(loopback.url, tmp_path) as provider:
            journal = Journal(tmp_path / "j.jsonl", dict.fromkeys(Purpose, provider), PRICES)
            asked = [journal.ask(patient(n)) for n in range(40)]
            completions = await asyncio.gather(*asked)
            calls = journal.calls_after(0)
            journal.close()
    assert [one.text for one in completions] == [f"answer to idea {n}" for n in range(40)]
    assert len(loopback.batches.kept) == 1
    price = PRICES["claude-opus-4-5"]
    for call in calls:
        full = (call.input_tokens * price.input + call.output_tokens * price.output) / 1e6
        assert call.usd == pytest.approx(full / 2)


async def test_what_may_not_wait_goes_by_itself_and_so_does_what_needs_an_older_header(
    tmp_path: Path,
):
    with Loopback(answering) as loopback:
        async with batched(loopback.url, tmp_path) as provider:
            await provider.complete(request("a revision"))
            await provider.complete(patient(1, model="claude-opus-4-6", temperature=0.5))
    assert loopback.batches.kept == {}
    assert len(loopback.asked) == 2


async def test_a_batch_is_looked_at_ever_more_seldom(tmp_path: Path):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.02)

    with Loopback(answering) as loopback:
        loopback.batches.seconds = 0.5
        times: dict[str, Any] = {"poll_seconds": (20.0, 300.0), "settle_seconds": 3.0}
        async with batched(loopback.url, tmp_path, sleep=sleep, **times) as provider:
            await provider.complete(patient(1))
    settle, *polls = waits
    assert (settle, polls[0], max(polls)) == (3.0, 20.0, 300.0)
    assert polls == sorted(polls)


async def test_what_fails_in_a_batch_has_its_own_consequence(tmp_path: Path):
    def script(asked: Asked) -> Reply | str:
        faults = {
            "idea 1": Fault.SERVER_ERROR, "idea 2": Fault.HANGS, "idea 3": Fault.CONTEXT_TOO_LONG,
        }  # fmt: skip
        first = members_asked(loopback)[asked.prompt] == 1
        fault = faults.get(asked.prompt) if first else None
        return Reply(text=answering(asked), fault=fault)

    with Loopback(script) as loopback:
        async with batched(loopback.url, tmp_path) as provider:
            done = await asyncio.gather(
                *(provider.complete(patient(n)) for n in range(4)), return_exceptions=True
            )
    texts = [one.text if isinstance(one, Completion) else one for one in done]
    assert texts[:3] == ["answer to idea 0", "answer to idea 1", "answer to idea 2"]
    assert isinstance(done[3], ContextTooLong)
    assert len(loopback.batches.kept) == 1, "what failed or expired is asked for by itself"


@pytest.mark.parametrize("fate", [BatchFate.UNANSWERED, BatchFate.LOST])
async def test_a_submission_without_an_answer_is_looked_for_before_it_is_sent_again(
    fate: BatchFate, tmp_path: Path
):
    fates = iter([fate])
    with Loopback(answering) as loopback:
        loopback.batches.fate = lambda _: next(fates, BatchFate.ANSWERED)
        completions = await ask_all(loopback.url, tmp_path, 10)
    assert len(completions) == 10
    assert len(loopback.batches.kept) == 1
    assert set(members_asked(loopback).values()) == {1}


async def test_another_campaigns_batch_of_the_same_size_is_not_taken_for_ones_own(tmp_path: Path):
    with Loopback(answering) as loopback:
        async with batched(loopback.url, tmp_path / "other") as other:
            (tmp_path / "other").mkdir()
            await asyncio.gather(*(other.complete(patient(100 + n)) for n in range(5)))
        fates = iter([BatchFate.LOST])
        loopback.batches.fate = lambda _: next(fates, BatchFate.ANSWERED)
        completions = await ask_all(loopback.url, tmp_path, 5)
    assert [one.text for one in completions] == [f"answer to idea {n}" for n in range(5)]
    assert len(loopback.batches.kept) == 2


async def test_what_is_read_again_after_a_restart_costs_nothing(tmp_path: Path):
    with Loopback(answering) as loopback:
        first = await ask_all(loopback.url, tmp_path, 5)
        again = await ask_all(loopback.url, tmp_path, 5)
        looks = [path for _, path in loopback.batches.looks]
    assert again == first
    assert all("/msgbatch_0000" in path for path in looks), "its id is known, nothing is searched"
    assert set(members_asked(loopback).values()) == {1}


# ---- kill -9 -------------------------------------------------------------------------------------


def start(folder: Path, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.llm.test_batches", str(folder), url]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def head(folder: Path, url: str) -> None:
    """Ask for 80 ideas through the journal, in a batch, and say so."""
    async with batched(url, folder) as provider:
        journal = Journal(folder / "journal.jsonl", dict.fromkeys(Purpose, provider), PRICES)
        completions = await asyncio.gather(*(journal.ask(patient(n)) for n in range(80)))
        assert [one.text for one in completions] == [f"answer to idea {n}" for n in range(80)]
        print("done", journal.replayed, flush=True)


@pytest.mark.parametrize("fate", [BatchFate.ANSWERED, BatchFate.UNANSWERED])
def test_a_head_that_is_killed_while_it_waits_finds_its_batch_again(
    fate: BatchFate, tmp_path: Path
):
    """Whether it had learned the batch's id, or was killed before that came."""
    with Loopback(answering) as loopback:
        loopback.batches.seconds = 2.0
        loopback.batches.fate = lambda _: fate
        waiting = start(tmp_path, loopback.url)
        wait_until(lambda: len(loopback.batches.kept) == 1, waiting)
        if fate is BatchFate.ANSWERED:
            wait_until(lambda: len(loopback.batches.looks) > 1, waiting)
        waiting.kill()
        waiting.communicate()
        loopback.batches.fate = lambda _: BatchFate.ANSWERED
        output, _ = start(tmp_path, loopback.url).communicate(timeout=60)
        assert output == "done 0\n"
        output, _ = start(tmp_path, loopback.url).communicate(timeout=60)
    assert output == "done 80\n"
    assert len(loopback.batches.kept) == 1
    assert set(members_asked(loopback).values()) == {1}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, "it ended too soon"
        time.sleep(0.005)


def test_the_name_of_a_request_in_a_batch_says_which_it_is_and_what_it_asks():
    assert custom_id(patient(1)) == custom_id(replace(patient(1), may_wait=False))
    assert len({custom_id(patient(1)), custom_id(patient(2)), custom_id(patient(1, seed=3))}) == 3
    assert len(custom_id(patient(1))) == 64, "the longest that the API takes"


if __name__ == "__main__":
    asyncio.run(head(Path(sys.argv[1]), sys.argv[2]))
