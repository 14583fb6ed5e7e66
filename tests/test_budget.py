"""Hard bounds: what fits at its most begins, what does not waits for what is under way."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from airr.budget import Bound, Purse, check_known_costs, check_prices, most_usd
from airr.cluster.slots import Machine, Slots
from airr.config import Budget
from airr.errors import BudgetSpent, ConfigError, Damaged
from airr.executor.executor import Step
from airr.head import Head, take_the_head
from airr.llm.journal import Journal
from airr.llm.prices import load_prices, usd_of
from airr.llm.protocol import Completion, Purpose, Usage
from airr.parsing import parse_config
from airr.records import Call
from airr.resources import resource
from airr.shared import Shared
from airr.start import start_of
from tests import toy
from tests.builders import NOON
from tests.llm.cases import MODEL, PRICES, request, serving
from tests.llm.loopback import Asked, Fault, Loopback, Reply
from tests.test_config import composed

FREE = Budget(usd=None, llm_calls=None, gpu_hours=None)


async def test_what_turns_out_cheaper_makes_room_for_what_waited():
    spent = 0.0
    bound = Bound("budget.usd", 10.0, lambda: spent, written="${:.2f}")
    begun: list[int] = []

    async def one(number: int) -> None:
        nonlocal spent
        async with bound.promise(4.0):
            begun.append(number)
            await asyncio.sleep(0.01)
            spent += 1.0

    tasks = [asyncio.create_task(one(number)) for number in range(5)]
    await asyncio.sleep(0.005)
    assert (begun, bound.waiting) == ([0, 1], 3)
    await asyncio.gather(*tasks)
    assert begun == [0, 1, 2, 3, 4]


async def test_nothing_begins_once_nothing_is_under_way_and_the_next_does_not_fit():
    bound = Bound("budget.usd", 10.0, lambda: 7.0, written="${:.2f}")
    with pytest.raises(BudgetSpent, match=r"usd=10 is reached: \$7\.00 of \$10\.00 are spent"):
        async with bound.promise(4.0):
            pass
    async with bound.promise(3.0):
        pass


async def test_whoever_waited_in_vain_is_told_so():
    spent = 0.0
    bound = Bound("budget.usd", 10.0, lambda: spent, written="${:.2f}")

    async def one() -> None:
        nonlocal spent
        async with bound.promise(6.0):
            await asyncio.sleep(0.01)
            spent += 6.0

    done = await asyncio.gather(*(one() for _ in range(4)), return_exceptions=True)
    assert [isinstance(error, BudgetSpent) for error in done] == [False, True, True, True]


async def test_what_has_begun_needs_no_room_and_takes_it():
    bound = Bound("budget.gpu_hours", 5.0, lambda: 0.0, written="{:.1f}")
    async with bound.promise(20.0, has_begun=True):
        later = asyncio.create_task(anext(aiter_of(bound, 1.0)))
        await asyncio.sleep(0.01)
        assert bound.waiting == 1
    await later


async def aiter_of(bound: Bound, most: float):
    async with bound.promise(most):
        yield


async def test_without_a_limit_everything_begins():
    bound = Bound("budget.usd", None, lambda: 1e9, written="${:.2f}")
    async with bound.promise(1e9):
        pass


# ---- asking, over the real SDKs ------------------------------------------------------------------


async def ask_all(
    kind: str, loopback: Loopback, path: Path, budget: Budget, count: int
) -> Sequence[BaseException | Completion]:
    """Ask for so many ideas side by side within a budget."""
    async with serving(kind, loopback) as provider:
        journal = Journal(path, dict.fromkeys(Purpose, provider), PRICES)
        purse = Purse(journal, PRICES, budget, [])
        asked = [request(f"idea {i}", model=MODEL[kind]) for i in range(count)]
        done = await asyncio.gather(*(purse.ask(one) for one in asked), return_exceptions=True)
        journal.close()
    return done


def billed_usd(loopback: Loopback) -> float:
    total = 0.0
    for asked, bill, output in loopback.billed:
        price = PRICES[asked.body["model"]]
        total += bill.fresh * price.input + bill.written * price.cache_write
        total += bill.read * price.cache_read + output * price.output
    return total / 1e6


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_no_more_calls_are_made_than_the_budget_has_in_all_its_starts(
    kind: str, tmp_path: Path
):
    path, bounded = tmp_path / "journal.jsonl", replace(FREE, llm_calls=10)
    with Loopback(lambda _: Reply(text="yes", seconds=0.02)) as loopback:
        first = await ask_all(kind, loopback, path, bounded, 7)
        second = await ask_all(kind, loopback, path, bounded, 25)
        assert len(loopback.asked) == 10
        raised = await ask_all(kind, loopback, path, replace(FREE, llm_calls=25), 25)
    assert not any(isinstance(one, BaseException) for one in [*first, *raised])
    assert sum(isinstance(one, BudgetSpent) for one in second) == 15
    assert len(loopback.billed) == 25


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_dollars_never_pass_their_bound_and_are_used_up_to_the_last_call_that_fits(
    kind: str, tmp_path: Path
):
    script = lambda asked: Reply(text="word " * (200 + 37 * (asked.number % 9)), seconds=0.02)  # noqa: E731
    most = most_usd(request(model=MODEL[kind]), PRICES)
    bound = 1.5 * most
    with Loopback(script) as loopback:
        done = await ask_all(
            kind, loopback, tmp_path / "journal.jsonl", replace(FREE, usd=bound), 400
        )
    assert sum(isinstance(one, BudgetSpent) for one in done) == 400 - len(loopback.billed)
    assert bound - most < billed_usd(loopback) <= bound


async def test_a_call_that_fails_gives_back_what_was_promised_for_it(tmp_path: Path):
    def script(asked: Asked) -> Reply:
        too_long = asked.number < 3
        return Reply(fault=Fault.CONTEXT_TOO_LONG) if too_long else Reply(text="yes")

    with Loopback(script) as loopback:
        done = await ask_all(
            "anthropic", loopback, tmp_path / "journal.jsonl", replace(FREE, llm_calls=2), 5
        )
    assert [type(one).__name__ for one in done].count("Completion") == 2
    assert len(loopback.asked) == 5


async def test_a_cancelled_call_hangs_up_and_counts_with_what_had_come_of_it(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with Loopback(lambda _: Reply(text="slow " * 4000, seconds=20.0)) as loopback:
        async with serving("anthropic", loopback) as provider:
            journal = Journal(path, dict.fromkeys(Purpose, provider), PRICES)
            asking = asyncio.create_task(journal.ask(request("x" * 8000)))
            while not loopback.under_way:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            (call,) = journal.calls_after(0)
            assert not journal.holds(request("x" * 8000)), "it answers nothing"
            journal.close()
            again = Journal(path, dict.fromkeys(Purpose, provider), PRICES)
            assert again.usd == call.usd == usd_of(call.model, usage_of(call), PRICES)
            assert not again.holds(request("x" * 8000))
            again.close()
    assert call.stop_reason == "cancelled"
    assert call.input_tokens > 2000
    assert loopback.billed == []


def usage_of(call: Call):
    return Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens)


# ---- GPU-hours -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seeds",
    [[], ["search.repeats=2", "search.baseline_seeds=2"], ["search.screen.rungs=[0.3]"]],
)
async def test_gpu_hours_never_pass_their_bound_and_a_larger_one_goes_on(
    seeds: list[str], tmp_path: Path
):
    """A run may take 36 s of a GPU, and takes about one: room comes back as runs end."""
    env = toy.make_campaign_env(tmp_path)
    slow = "env.train.argv=[/bin/sh,-c,'sleep 0.5 && exec {python} train.py']"
    limits = ["env.gpus=1", "env.budget_seconds=30", "env.score_seconds=6", "cluster=local"]
    search = ["search.epochs=1", "search.ideas_per_epoch=6", "campaign=gpus", *seeds]

    async def evolve(hours: float) -> tuple[Head, list[float]]:
        raw = composed(*env, slow, *limits, *search, f"budget.gpu_hours={hours}")
        machine = Slots(Machine(cpus=2, gpus=2))
        shared = Shared(slots=machine, preflights=asyncio.Semaphore(1), nodes=None)
        most = [0.0]
        async with take_the_head(start_of(parse_config(raw), raw, shared=shared)) as head:
            loop = asyncio.create_task(head.campaign.run())
            while not loop.done():
                plans = [run.batch.plan for run in head.scheduler.open.values()]
                open_hours = sum(one.budget_seconds + one.score_seconds for one in plans) / 3600
                most.append(head.book.gpu_hours() + open_hours)
                await asyncio.sleep(0.02)
            loop.result()
        return head, most

    bound = (36 + 2.0) / 3600
    head, most = await evolve(bound)
    assert "budget.gpu_hours=0.0105556 is reached" in head.campaign.stopped
    assert max(most) <= bound
    executed = {*head.book.runs}
    assert "baseline.r0.a0" in executed
    assert Step.HELD in head.campaign.executor.steps.values()
    head, _ = await evolve(1.0)
    assert head.campaign.stopped == ""
    assert executed < {*head.book.runs}
    assert {run.attempt for run in head.book.runs.values()} == {0}


# ---- dollars that cannot be bounded --------------------------------------------------------------


def test_a_bound_in_dollars_on_a_model_without_a_price_is_refused_with_what_to_write():
    llm = parse_config(composed("llm=openai", "llm.implementer.model=qwen3")).llm
    shipped = load_prices(resource("conf") / "prices.yaml")
    with pytest.raises(ConfigError, match=r"lacks llm\.implementer\.model=qwen3\.") as refused:
        check_prices(replace(FREE, usd=5.0), llm, shipped)
    assert "qwen3: {input: 1.00" in str(refused.value)
    assert "budget.llm_calls" in str(refused.value)
    check_prices(replace(FREE, llm_calls=5), llm, shipped)


def test_an_own_price_table_adds_to_the_shipped_one_and_goes_before_it(tmp_path: Path):
    own = tmp_path / "prices.yaml"
    own.write_text(
        "qwen3: {input: 0, cache_write: 0, cache_read: 0, output: 0}\n"
        "claude-opus-4-5: {input: 1, cache_write: 1, cache_read: 1, output: 2}\n"
    )
    table = load_prices(resource("conf") / "prices.yaml", own)
    assert table["qwen3"].output == 0
    assert table["claude-opus-4-5"].output == 2
    assert "claude-opus-5-5" in table


async def test_dollars_spent_on_a_model_without_a_price_are_refused_to_be_bounded(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with Loopback(lambda _: "yes") as loopback:
        async with serving("openai", loopback) as provider:
            journal = Journal(path, dict.fromkeys(Purpose, provider), {})
            await journal.ask(request(model="local-model"))
            unpriced = journal.unpriced
            journal.close()
            priced_by_now = Journal(path, dict.fromkeys(Purpose, provider), PRICES)
            assert not priced_by_now.unpriced
            assert priced_by_now.usd > 0
            priced_by_now.close()
    with pytest.raises(ConfigError, match=r"lacks local-model \(1 so far\)"):
        check_known_costs(replace(FREE, usd=1.0), unpriced)
    check_known_costs(FREE, unpriced)


def test_what_only_the_ledger_knows_counts_too(tmp_path: Path):
    lost = Call(
        id="e00/fresh-0", purpose="ideate", provider="anthropic", model="claude-opus-4-5",
        prompt_hash="0", stop_reason="end", left_out="", input_tokens=0, cache_read_tokens=0,
        cache_write_tokens=0, output_tokens=0, thinking_tokens=0, usd=3.0, latency_seconds=1.0,
        created_at=NOON,
    )  # fmt: skip
    journal = Journal(tmp_path / "journal.jsonl", {}, PRICES)
    with pytest.warns(Damaged, match="has lost answers: the ledger tells of 1"):
        purse = Purse(journal, PRICES, replace(FREE, usd=3.0), [lost])
    with pytest.raises(BudgetSpent, match=r"\$3\.00 of \$3\.00 are spent"):
        asyncio.run(purse.ask(request()))
    journal.close()
