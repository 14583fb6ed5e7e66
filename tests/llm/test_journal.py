"""The journal: nothing is paid for twice, and nothing that was paid for is lost."""

import asyncio
import hashlib
import json
import resource
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airr.errors import AirrError, ProviderError, WorkspaceError
from airr.llm.journal import Journal
from airr.llm.lines import DamagedLine, TornEnd
from airr.llm.prices import Price
from airr.llm.protocol import (
    Completion,
    Message,
    Purpose,
    Request,
    StopReason,
    Usage,
    prompt_hash,
)
from tests.llm.cases import request, serving
from tests.llm.loopback import KEY, Loopback

PRICES = {"m": Price(input=1, cache_write=2, cache_read=0.1, output=10)}
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CODEBASE = "def train(step): ...\n" * 5000


class Answering:
    """A provider that counts what it is asked, and may take its time or fail."""

    def __init__(self, seconds: float = 0.0, error: AirrError | None = None) -> None:
        self.asked: list[Request] = []
        self.seconds = seconds
        self.error = error

    @property
    def name(self) -> str:
        return "answering"

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return Completion(
            text=f"answer {len(self.asked)} to {request.id}",
            thinking="hm",
            stop_reason=StopReason.REFUSAL,
            stop_detail="cyber",
            model="m",
            usage=Usage(input_tokens=1000, output_tokens=100, thinking_tokens=40),
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@contextmanager
def opened(
    path: Path, provider: Answering, guard: Callable[[], None] = lambda: None
) -> Generator[Journal]:
    ticks = iter(range(10_000))
    journal = Journal(
        path,
        dict.fromkeys(Purpose, provider),
        PRICES,
        guard=guard,
        now=lambda: NOON,
        clock=lambda: float(next(ticks)),
    )
    try:
        yield journal
    finally:
        journal.close()


async def test_an_answer_is_replayed_after_a_restart_for_nothing(path: Path):
    first, second = Answering(), Answering()
    with opened(path, first) as journal:
        paid = await journal.ask(request())
    with opened(path, second) as journal:
        replayed = await journal.ask(request())
        assert journal.replayed == 1
    assert replayed == paid
    assert second.asked == []


async def test_another_prompt_under_the_same_id_is_another_request(path: Path):
    provider = Answering()
    with opened(path, provider) as journal:
        one = await journal.ask(request(id="a", prompt="x"))
        other = await journal.ask(request(id="a", prompt="y"))
        again = await journal.ask(request(id="a", prompt="x"))
        assert len(journal) == 2
    assert one == again != other
    assert len(provider.asked) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"system": "other"},
        {"temperature": 0.5},
        {"max_tokens": 7},
        {"thinking_tokens": 9},
        {"seed": 1},
        {"messages": (Message("assistant", "hello"),)},
    ],
)
def test_whatever_shapes_the_answer_changes_the_hash(change: dict[str, Any]):
    assert prompt_hash(request(**change)) != prompt_hash(request())


def test_the_hash_is_that_of_one_json_object_so_journals_of_old_are_still_found():
    asked = request(system='a "codebase"\n\ud800 \u00e9', temperature=1, seed=3)
    shape = {
        "model": asked.model,
        "system": asked.system,
        "messages": [[message.role, message.text] for message in asked.messages],
        "temperature": asked.temperature,
        "max_tokens": asked.max_tokens,
        "thinking_tokens": asked.thinking_tokens,
        "seed": asked.seed,
    }
    canonical = json.dumps(shape, sort_keys=True, separators=(",", ":"))
    assert prompt_hash(asked) == hashlib.sha256(canonical.encode()).hexdigest()


def test_what_does_not_shape_the_answer_leaves_the_hash(path: Path):
    marked = (Message("user", "hello", cache_until_here=True),)
    same = replace(request(), id="another", messages=marked, variables={"a": 1})
    assert prompt_hash(same) == prompt_hash(request())


async def test_those_who_ask_together_share_one_answer(path: Path):
    provider = Answering(seconds=0.02)
    with opened(path, provider) as journal:
        answers = await asyncio.gather(*(journal.ask(request()) for _ in range(20)))
    assert len(provider.asked) == 1
    assert len(set(answers)) == 1


async def test_a_cancelled_call_leaves_no_trace_and_others_still_get_their_answer(path: Path):
    provider = Answering(seconds=0.05)
    with opened(path, provider) as journal:
        first = asyncio.create_task(journal.ask(request()))
        second = asyncio.create_task(journal.ask(request()))
        await asyncio.sleep(0.01)
        first.cancel()
        assert (await second).text == "answer 2 to id of hello"
        assert first.cancelled()
        assert len(journal) == 1


async def test_a_failed_call_leaves_no_trace(path: Path):
    with opened(path, Answering(error=ProviderError("down"))) as journal:
        with pytest.raises(ProviderError, match="down"):
            await journal.ask(request())
        assert len(journal) == 0
    assert path.read_bytes() == b""


async def test_the_ledgers_row_has_the_cost_and_comes_once(path: Path):
    with opened(path, Answering()) as journal:
        await journal.ask(request("a"))
        await journal.ask(request("b"))
        (call,) = journal.calls_after(1)
    assert call.id == "id of b"
    assert call.prompt_hash == prompt_hash(request("b"))
    assert (call.purpose, call.provider, call.model) == ("ideate", "answering", "m")
    assert (call.stop_reason, call.thinking_tokens) == ("refusal", 40)
    assert call.usd == pytest.approx(0.002)
    assert call.latency_seconds == 1.0
    assert call.created_at == NOON


async def test_rows_are_the_same_after_a_restart(path: Path):
    with opened(path, Answering()) as journal:
        for i in range(5):
            await journal.ask(request(str(i)))
        before = journal.calls_after(0)
    with opened(path, Answering()) as journal:
        assert journal.calls_after(0) == before
        assert journal.calls_after(len(journal)) == []


async def test_a_long_text_is_stored_once_and_read_back_whole(path: Path):
    messages = (Message("user", CODEBASE, cache_until_here=True), Message("user", "short"))
    with opened(path, Answering()) as journal:
        for i in range(50):
            await journal.ask(request(id=str(i), system="s" * 300, messages=messages))
    with opened(path, Answering()) as journal:
        await journal.ask(request(id="50", system="s" * 300, messages=messages))
        system, turns = journal.prompt(50)
    assert path.stat().st_size < 2 * len(CODEBASE)
    assert system == "s" * 300
    assert [turn.text for turn in turns] == [CODEBASE, "short"]


async def test_a_torn_end_is_cut_with_a_warning_wherever_it_tore(path: Path):
    with opened(path, Answering()) as journal:
        await journal.ask(request("a"))
        whole = path.stat().st_size
        await journal.ask(request("b"))
    data = path.read_bytes()
    for length in (whole + 1, (whole + len(data)) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.warns(TornEnd, match=f"cut {length - whole} bytes"):
            journal = Journal(path, dict.fromkeys(Purpose, Answering()), PRICES)
        assert len(journal) == 1
        await journal.ask(request("b"))
        journal.close()
        with opened(path, Answering()) as journal:
            assert len(journal) == 2


async def test_damaged_and_foreign_lines_are_named_and_the_others_stand(path: Path):
    with opened(path, Answering()) as journal:
        for i in range(4):
            await journal.ask(request(str(i)))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"answer 2", b"answer 9")
    lines.insert(3, b'{"what": "is this"}\n')
    path.write_bytes(b"".join(lines))
    with pytest.warns(DamagedLine) as caught:
        journal = Journal(path, dict.fromkeys(Purpose, Answering()), PRICES)
    offsets = [len(lines[0]), sum(map(len, lines[:3]))]
    assert [str(offset) in str(w.message) for offset, w in zip(offsets, caught, strict=True)]
    assert [call.id for call in journal.calls_after(0)] == ["id of 0", "id of 2", "id of 3"]
    assert (await journal.ask(request("1"))).text == "answer 1 to id of 1"
    journal.close()
    assert lines[1] in path.read_bytes()


async def test_bytes_of_zero_that_a_power_cut_leaves_are_no_answer(path: Path):
    with opened(path, Answering()) as journal:
        await journal.ask(request("a"))
    path.write_bytes(path.read_bytes() + bytes(5000))
    with pytest.warns(TornEnd):
        journal = Journal(path, dict.fromkeys(Purpose, Answering()), PRICES)
    assert len(journal) == 1
    journal.close()


async def test_a_disk_that_takes_no_more_is_said_and_nothing_more_is_asked(path: Path):
    provider = Answering()
    with opened(path, provider) as journal:
        await journal.ask(request("a"))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, hard))
        try:
            with pytest.raises(WorkspaceError, match=r"journal\.jsonl cannot be written"):
                await journal.ask(request("b"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with pytest.raises(WorkspaceError, match="cannot be written"):
            await journal.ask(request("c"))
        assert (await journal.ask(request("a"))).text.startswith("answer 1")
    assert [asked.id for asked in provider.asked] == ["id of a", "id of b"]
    with opened(path, Answering()) as journal:
        assert len(journal) == 1


async def test_a_process_that_lost_its_lease_asks_nothing(path: Path):
    def guard() -> None:
        raise WorkspaceError("another head holds the lease")

    provider = Answering()
    with opened(path, provider, guard) as journal, pytest.raises(WorkspaceError, match="lease"):
        await journal.ask(request())
    assert provider.asked == []


async def test_odd_text_survives(path: Path):
    odd = 'tab\t quote" newline\n nul\0 line\u2028 pile\U0001f4a9 lone\ud83d ' * 20
    with opened(path, Answering()) as journal:
        await journal.ask(request(prompt=odd, id="odd"))
        assert journal.prompt(0)[1][0].text == odd


async def test_the_key_is_in_no_byte_of_the_file(path: Path):
    with Loopback(lambda _: "an answer") as loopback:
        async with serving("anthropic", loopback) as provider:
            journal = Journal(path, dict.fromkeys(Purpose, provider), {})
            await journal.ask(request(variables={"secret": KEY}))
            assert journal.calls_after(0)[0].usd is None
            journal.close()
    data = path.read_bytes()
    assert b"an answer" in data
    assert KEY.encode() not in data
    assert json.loads(data)["record"]["model"] == "claude-opus-4-5"
