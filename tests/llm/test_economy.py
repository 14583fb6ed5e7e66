"""What ideator and implementer send is shared and cached, as the endpoint counts it."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from airr.llm.journal import Journal
from airr.records import Origin
from airr.researcher.strategy import IdeaRequest
from tests import asking, builders, toy
from tests.executor.test_patches import GOOD, STALE, Checks
from tests.llm.accounting import Bill, tokens_in
from tests.llm.loopback import Asked, Loopback, Reply
from tests.llm.test_roles import journal_of, propose, role, said_to_be_long, turns
from tests.researcher.test_ideas import block

IDEAS, SAMPLES = 4, 3
CODEBASE = {**toy.tree(), "model.py": "def forward(x): ...\n" * 400}


async def implement_all(journal: Journal, samples: int = SAMPLES) -> None:
    implementer = asking.implementer(
        journal.ask,
        holds=journal.holds,
        preflight=Checks(),
        role=role("anthropic"),
        how=replace(builders.IMPLEMENT, samples=samples),
        baseline=CODEBASE,
    )
    ideas = [said_to_be_long(builders.idea(n)) for n in range(IDEAS)]
    await asyncio.gather(*map(implementer.implement, ideas))


def bills(loopback: Loopback, *, revisions: bool) -> list[tuple[Asked, Bill]]:
    return [one for one in loopback.begun if (len(turns(one[0])) > 1) is revisions]


async def test_ideas_samples_and_revisions_read_the_codebase_that_the_first_of_all_wrote(
    tmp_path: Path,
):
    script = lambda _: Reply(text=STALE, prefill_seconds=0.02, seconds=0.05)  # noqa: E731
    async with journal_of("anthropic", script, tmp_path) as (loopback, journal):
        await implement_all(journal)
    codebase = tokens_in(loopback.asked[0].body["system"][0]["text"])
    assert codebase > 2000
    written = [bill.written for _, bill in loopback.begun]
    assert len(loopback.begun) == IDEAS * SAMPLES * 3
    assert sum(tokens >= codebase for tokens in written) == 1
    assert sum(tokens > 0 for tokens in written) == IDEAS, "and each idea's words were written once"
    assert sum(written) < 1.5 * codebase
    assert all(bill.read >= codebase for _, bill in bills(loopback, revisions=True))
    assert all(bill.fresh < 600 for _, bill in bills(loopback, revisions=False))


async def test_calls_that_show_the_same_past_write_it_once(tmp_path: Path):
    past = [builders.trial(n, 1.5) for n in range(40)]
    past = [replace(one, idea=said_to_be_long(one.idea)) for one in past]
    calls = [IdeaRequest(origin=Origin.EXPLOIT, count=1, shown=tuple(past[::-1]))] * 4
    script = lambda asked: Reply(text=block(asked.number), prefill_seconds=0.02)  # noqa: E731
    async with journal_of("anthropic", script, tmp_path) as (loopback, journal):
        await propose("anthropic", journal, *calls)
    history = [bill.written for _, bill in loopback.begun]
    assert len(history) == 4
    assert [tokens > 2000 for tokens in history] == [True, False, False, False]
    assert all(bill.fresh == 0 for _, bill in loopback.begun)


async def test_a_sample_that_lost_is_hung_up_on_and_never_billed_to_its_end(tmp_path: Path):
    def script(asked: Asked) -> Reply:
        return Reply(text=GOOD, seconds=30.0 if asked.number else 0.3)

    async with journal_of("anthropic", script, tmp_path) as (loopback, journal):
        deadline = time.monotonic() + 10
        implementing = asyncio.create_task(implement_all(journal))
        while not loopback.billed or loopback.under_way > (IDEAS - 1) * SAMPLES:
            assert time.monotonic() < deadline, "the samples that lost go on"
            await asyncio.sleep(0.02)
        implementing.cancel()
        await asyncio.gather(implementing, return_exceptions=True)
        reasons = [call.stop_reason for call in journal.calls_after(0)]
    assert len(loopback.billed) == 1
    assert reasons.count("end") == 1
    assert reasons.count("cancelled") >= SAMPLES - 1, "what had come of them stands in the ledger"
