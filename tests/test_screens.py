"""Screens: who goes on, by what rule, and what a campaign makes of those who do not."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airr.book import Book
from airr.composition import compositions
from airr.config import Direction
from airr.errors import BudgetSpent, ConfigError
from airr.executor.plans import Rung, rungs_of
from airr.executor.screening import CohortScreen
from airr.ledger import Ledger, load
from airr.llm.journal import Journal
from airr.parsing import parse_config
from airr.records import Dropped, Failed, Reason, Scored, Screening, Stage, row_of
from airr.screens import Halving, SoFar, left_to_screen
from tests import toy
from tests.builders import LOSS, NOON, failed, idea, scored
from tests.test_config import composed
from tests.test_evolve import airr

FIRST = asyncio.FIRST_COMPLETED

a_score = st.tuples(st.just("scored"), st.sampled_from([1.0, 1.5, 2.0, 2.5]))
a_fate = st.one_of(
    a_score,
    st.tuples(st.just("failed"), st.none()),
    st.tuples(st.just("withheld"), st.just(0.1)),
)
a_rung = st.lists(a_fate, min_size=1, max_size=12)
a_share = st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.9])


def screening(number: int, status: str, metric: float | None, rung: int = 0) -> Screening:
    return Screening(
        idea_id=f"e00-i{number:03d}",
        rung=rung,
        attempt=0,
        env="toy",
        share=0.25,
        budget_seconds=1.0,
        status=status,
        stage=None if status == "scored" else Stage.TRAIN,
        reason=None if status == "scored" else Reason.CRASH,
        detail="",
        metric=metric,
        standard_error=None,
        train_seconds=1.0,
        score_seconds=0.0,
        wall_seconds=1.0,
        ended_at=NOON,
    )


def halving(rungs: int = 1, promote: float = 0.5, direction: Direction = Direction.MINIMIZE):
    shares = tuple(0.1 * (rung + 1) for rung in range(rungs))
    return Halving(rungs=shares, promote=promote, metric=replace(LOSS, direction=direction))


@given(fates=a_rung, promote=a_share, direction=st.sampled_from(Direction))
def test_the_best_share_of_what_is_scored_goes_on_and_nothing_else(
    fates: list[tuple[str, float | None]], promote: float, direction: Direction
):
    rung = [screening(number, *fate) for number, fate in enumerate(fates)]
    rule = halving(promote=promote, direction=direction)
    promoted = rule.promoted(rung)
    scored = {one.idea_id: one.metric or 0.0 for one in rung if one.status == "scored"}
    assert {*promoted} <= {*scored}
    assert promote * len(scored) <= len(promoted) + 1e-6 < promote * len(scored) + 1
    for ahead, behind in itertools.product(promoted, scored.keys() - {*promoted}):
        gain = rule.metric.gain(scored[ahead], over=scored[behind])
        assert gain > 0 or (gain == 0 and ahead < behind), "of equals the earlier goes on"


def rungs(number: int) -> list[Rung]:
    config = parse_config(composed(f"search.screen.rungs={[0.1 * (n + 1) for n in range(number)]}"))
    return [replace(rung, metric=LOSS) for rung in rungs_of(config)]


RUNGS = {number: rungs(number) for number in (1, 2, 3)}


class Forgetful(Ledger):
    """A ledger that keeps nothing: the book's mirror is enough here, and fast."""

    def append(self, rows: Sequence[Any]) -> None:
        pass


def book_in(folder: Path) -> Book:
    return Book(Forgetful(folder / "ledger"), Journal(folder / "journal.jsonl", {}, {}))


Rungs = Sequence[Sequence[tuple[str, float | None]]]


async def head(book: Book, fates: Rungs, rule: Halving, order: Sequence[int], steps: int) -> None:
    """Take ideas through a screen and to full runs; killed after so many steps."""
    ideas = [idea(number) for number in range(len(fates[0]))]
    screen = CohortScreen(ideas, rungs=RUNGS[len(fates)], halving=rule, book=book, now=lambda: NOON)
    killed = asyncio.Event()

    async def step(*rows: Any) -> None:
        nonlocal steps
        await asyncio.sleep(0)
        if steps == 0:
            killed.set()
            await asyncio.Event().wait()
        steps -= 1
        book.enter(rows)

    async def take(index: int) -> None:
        one = ideas[index]
        for rung in range(len(fates)):
            if (one.id, 0) not in book.outcomes and (one.id, rung) not in book.screens:
                status, metric = fates[rung][index]
                lost = [row_of(failed(one.id))] if status == "failed" else []
                await step(screening(index, status, metric, rung), *lost)
            await screen.until_decided(one)
            if (one.id, 0) in book.outcomes:
                return
        await step(row_of(scored(one.id, 1.5)))

    tasks = [asyncio.ensure_future(take(index)) for index in order]
    ends = asyncio.gather(*tasks)
    await asyncio.wait([ends, asyncio.ensure_future(killed.wait())], timeout=5, return_when=FIRST)
    assert killed.is_set() or ends.done(), "somebody waits for nobody"
    if not ends.done():
        ends.cancel()
    await asyncio.gather(ends, return_exceptions=True)


def fates_of(fates: Rungs, rule: Halving, order: Sequence[int], stop: int) -> dict[str, Any]:
    """Return what comes of ideas under two heads, the first of which is killed."""
    with TemporaryDirectory() as folder:
        book = book_in(Path(folder))
        asyncio.run(head(book, fates, rule, order, stop))
        asyncio.run(head(book, fates, rule, order, 1000))
    return {
        key: (type(one), None if isinstance(one, Scored) else one.reason)
        for (key, _), one in book.outcomes.items()
    }


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_screen_ends_alike_in_whatever_order_ideas_come_and_wherever_a_head_is_killed(data):
    number = data.draw(st.integers(1, 3))
    size = data.draw(st.integers(1, 7))
    mostly = st.one_of(a_score, a_score, a_fate)
    fates = [data.draw(st.lists(mostly, min_size=size, max_size=size)) for _ in range(number)]
    order = data.draw(st.permutations(range(size)))
    rule = halving(number, data.draw(a_share))
    stop = data.draw(st.integers(0, 3 * size))
    calm = fates_of(fates, rule, range(size), 1000)
    assert fates_of(fates, rule, order, stop) == calm
    assert calm.keys() == {idea(n).id for n in range(size)}, "somebody was lost"
    field = [*range(size)]
    for rung, found in enumerate(fates):
        promoted = rule.promoted([screening(n, found[n][0], found[n][1], rung) for n in field])
        for gone in (n for n in field if idea(n).id not in promoted):
            kind, reason = calm[idea(gone).id]
            said = {"scored": Reason.OUTRANKED, "withheld": Reason.IMPLAUSIBLE}
            assert kind is (Failed if found[gone][0] == "failed" else Dropped)
            assert reason is said.get(found[gone][0], Reason.CRASH)
        field = [n for n in field if idea(n).id in promoted]
    assert [key for key, (kind, _) in sorted(calm.items()) if kind is Scored] == [
        idea(n).id for n in field
    ]


@pytest.mark.parametrize("stop", range(12))
def test_a_head_goes_on_wherever_another_stopped_between_two_full_runs(stop: int):
    fates = [[("scored", 1.0 + number) for number in range(4)]] * 2
    rule = halving(2, promote=0.75)
    ended = fates_of(fates, rule, range(4), stop)
    assert [kind for kind, _ in ended.values()].count(Scored) == 3


async def test_nobody_waits_for_an_idea_that_the_budget_holds_back(tmp_path: Path):
    ideas = [idea(0), idea(1)]
    book = book_in(tmp_path)
    screen = CohortScreen(ideas, rungs=RUNGS[1], halving=halving(), book=book, now=lambda: NOON)
    book.enter([screening(0, "scored", 2.0)])
    first = asyncio.ensure_future(screen.until_decided(ideas[0]))
    await asyncio.sleep(0)
    assert screen.waiting == 1
    screen.hold_back("budget.gpu_hours=1 is reached")
    with pytest.raises(BudgetSpent, match="is reached"):
        await first
    assert not book.outcomes, "what is not decided stays open for a larger budget"


@given(fates=st.lists(a_rung, min_size=3, max_size=3), promote=a_share, known=st.integers(0, 12))
def test_no_more_is_run_than_was_foretold(
    fates: list[list[tuple[str, float | None]]], promote: float, known: int
):
    size = min(map(len, fates))
    rule = halving(3, promote)
    ids = [idea(number).id for number in range(size)]
    found: dict[tuple[str, int], Screening] = {}
    ended: set[str] = set()
    bounds = []

    def look(proposed: int) -> None:
        so_far = SoFar(halving=rule, found=dict(found))
        left = left_to_screen(ids[:proposed], size - proposed, ended, so_far)
        bounds.append((sum(left.rungs) + left.full, len(found) + fulls))

    fulls = 0
    look(min(known, size))
    field = ids
    for rung in range(3):
        for one in field:
            status, metric = fates[rung][ids.index(one)]
            found[one, rung] = screening(ids.index(one), status, metric, rung)
            if status != "scored":
                ended.add(one)
            look(size)
        field = rule.promoted([found[one, rung] for one in field])
        ended |= {one for one in ids if one not in field}
        look(size)
    for one in field:
        fulls += 1
        ended.add(one)
        look(size)
    ran = len(found) + fulls
    assert all(bound >= ran - before for bound, before in bounds)
    assert bounds[-1][0] == 0


def config_of(*overrides: str):
    return parse_config(composed(*overrides))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["env=example", "search.screen.rungs=[0.5]"], "env=example cannot be made shorter"),
        (["search=steady_state", "search.screen.rungs=[0.5]"], "steady_state has no epochs"),
        (["search.screen.rungs=[0.5,0.2]"], "shares of the budget that rise"),
        (["search.screen.rungs=[0]"], "above 0 and below 1"),
        (["search.screen.rungs=[1]"], "above 0 and below 1"),
        (["search.screen.rungs=[0.5]", "search.screen.promote=1"], "above 0, and below 1"),
        (["search.screen.rungs=[0.5]", "search.ideas_per_epoch=1"], "no best share"),
    ],
)
def test_a_screen_that_would_save_or_compare_nothing_is_refused(overrides: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        config_of(*overrides)


def test_a_screen_may_be_at_the_scale_of_another_environment_of_the_same_codebase():
    def parsed(*overrides: str):
        (raw,) = compositions("evolve", overrides)
        return parse_config({k: v for k, v in raw.items() if k not in ("fork", "once")})

    config = parsed("env=nanogpt", "search.screen.env=nanogpt_small", "search.screen.rungs=[0.5,1]")
    half, whole = rungs_of(config)
    assert (half.env, half.plan.gpus, half.plan.budget_seconds) == ("nanogpt_small", 1, 150)
    assert whole.plan.budget_seconds == 300
    assert whole.plan.train.environment["AIRR_SCALE"] == "small"
    with pytest.raises(ConfigError, match="patches of one do not fit the other"):
        parsed("env=nanogpt", "search.screen.env=grpo", "search.screen.rungs=[1]")
    with pytest.raises(ConfigError, match=r"search.screen.rungs with which shares"):
        parsed("env=nanogpt", "search.screen.env=nanogpt_small")
    with pytest.raises(ConfigError, match="env=nowhere: choose one of"):
        parsed("search.screen.env=nowhere", "search.screen.rungs=[1]")


def test_a_shorter_training_is_told_its_length():
    quarter = rungs_of(config_of("search.screen.rungs=[0.25]"))[0]
    assert quarter.plan.budget_seconds == 45 / 4
    assert quarter.plan.train.environment["AIRR_TOTAL_STEPS"] == "50"
    assert quarter.metric.jump == 0


TOLD = """\
import os, pathlib
from recipe import VALUE
STEPS = int(os.environ.get("TOY_STEPS", "100"))
print("training of", STEPS, "steps")
pathlib.Path(os.environ["AIRR_OUT"], "checkpoint.txt").write_text(str(VALUE + 1 / STEPS))
"""
"""Training whose score depends on its length, which it is told."""
IDEAS = {
    "better": ("VALUE = 2.0", "VALUE = 1.8", {}),
    "best": ("VALUE + 1 / STEPS", "VALUE - 0.3 + 1 / STEPS", {}),
    "late": ("VALUE + 1 / STEPS", "VALUE - 0.5 + 40 / STEPS", {}),
    "worse": ("VALUE = 2.0", "VALUE = 3.0", {}),
    "wild": ("VALUE = 2.0", "VALUE = 0.0", {}),
    "crash": ("STEPS = int", 'assert "AIRR_STEPS" in os.environ, "too late"\nSTEPS = int', {}),
}
"""`late` is best of all in a full run, and worst in a short one; `wild` is not to be believed."""
SCREEN = ["+env.shortened_by.TOY_STEPS=100", "search.screen.rungs=[0.2,0.5]"]
SCREENED = [
    *("llm=offline", "cluster=local", "search.epochs=2", "search.ideas_per_epoch=6"),
    *SCREEN,
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screened")


@pytest.fixture(scope="module")
def overrides(place: Path) -> list[str]:
    return [*toy.make_campaign_env(place, IDEAS, TOLD), *SCREENED]


@pytest.fixture(scope="module")
def finished(place: Path, overrides: list[str]) -> Path:
    """Return where a campaign with a screen was foretold and run."""
    foretold = airr("evolve", *overrides, "campaign=toy", "+dry_run=true", cwd=place)
    (place / "foretold.txt").write_text(foretold.stdout + foretold.stderr)
    done = airr("evolve", *overrides, "campaign=toy", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    (place / "told.txt").write_text(done.stdout)
    return place


def test_ideas_get_a_full_run_by_their_rank_at_every_rung(finished: Path):
    tables = load(finished / "runs" / "toy")
    ideas = tables.ideas.set_index("id")
    outcomes = tables.outcomes.set_index("idea_id")
    screens = tables.screens.set_index(["idea_id", "rung"])
    assert screens.metric["baseline"].tolist() == [2 + 1 / 20, 2 + 1 / 50], "told their length"
    for _, epoch in ideas.groupby("epoch"):
        field = [one for one in epoch.index if (one, 0) in screens.index]
        for rung in (0, 1):
            own = screens.xs(rung, level="rung").loc[field]
            ranked = own[own.status == "scored"].metric.sort_values(kind="stable").index
            field = [*ranked[: -(-len(ranked) // 2)]]
        assert outcomes.loc[epoch.index].query("status == 'scored'").index.tolist() == field
    runs = tables.runs[tables.runs.rung.isna()]
    assert {*runs.idea_id} == {*outcomes.query("status == 'scored'").index}, "and nobody else"


def test_what_is_dropped_is_no_failure_no_score_and_nobodys_parent(finished: Path):
    place = finished
    tables = load(place / "runs" / "toy")
    dropped = tables.outcomes.query("status == 'dropped'").set_index("idea_id")
    assert {*dropped.reason} == {"outranked", "implausible"}
    assert {*dropped.stage} == {"screen"}
    assert dropped.metric.isna().all()
    assert {*tables.ideas.parents.explode().dropna()}.isdisjoint(dropped.index)
    late, *_ = tables.ideas.id[tables.ideas.text.str.contains("late may help")]
    assert "rank 4 of 4, of which 2 went on, with 20 % of the budget" in dropped.detail[late]
    failed = tables.outcomes.query("status == 'failed' and stage == 'train'")
    assert {*failed.reason} == {"crash"}, "a failure in the screen keeps its reason"
    told = (place / "told.txt").read_text()
    shown = airr("status", "campaign=runs/toy", cwd=place).stdout
    assert "toy: complete" in shown
    for text in (told, shown):
        assert f"{len(dropped)} dropped: 5 outranked, 2 implausible" in text
    report = json.loads(airr("report", "campaign=runs/toy", "format=json", cwd=place).stdout)
    (campaign,) = report["campaigns"]
    assert campaign["fates"]["dropped"] == len(dropped)
    steps = [step["name"] for step in campaign["funnel"]]
    assert steps.index("passed the screen") < steps.index("trained")


def test_a_dry_run_foretells_a_screen_and_the_same_command_again_runs_nothing(
    finished: Path, overrides: list[str]
):
    foretold = (finished / "foretold.txt").read_text()
    assert (
        "screen      ideas are tried with 20 % of the budget, then 50 % of the budget" in foretold
    )
    assert "runs        5: the baseline, 2 epochs of 2" in foretold
    assert "screens     13 with 20 % of the budget (9 s), 7 with 50 % of the budget" in foretold
    again = airr("evolve", *overrides, "campaign=toy", cwd=finished).stdout
    assert "campaign toy is complete" in again


def test_a_screen_too_short_for_the_baseline_ends_the_campaign_and_says_so(
    finished: Path, overrides: list[str]
):
    place, settings = finished, [*overrides, "campaign=short"]
    slow = TOLD.replace("print", "assert STEPS > 20, 'too short'; print", 1)
    (place / "env" / "codebase" / "train.py").write_text(slow)
    done = airr("evolve", *settings, cwd=place)
    assert done.returncode == 2
    assert "has no score with 0.2 of its budget, which is 9 s: crash while train" in done.stderr
    assert "Traceback" not in done.stderr.partition("\n")[0]
    assert "short: ended" in airr("status", "campaign=runs/short", cwd=place).stdout
