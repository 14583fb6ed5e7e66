"""What people read of the money: by role, in columns, never more than is known."""

from datetime import timedelta
from typing import Any

import pytest

from airr.display.tables import compact, spend_lines, time_line
from airr.records import Call
from airr.summary import added, spend_by_role, time_spent
from tests.builders import NOON, failed, run, scored
from tests.reporting.ledgers import UPDATE, screening


def call(purpose: str, **fields: Any) -> Call:
    plain: dict[str, Any] = {
        "id": "x", "purpose": purpose, "provider": "anthropic", "model": "m", "prompt_hash": "0",
        "stop_reason": "end", "left_out": "", "input_tokens": 1000, "cache_read_tokens": 0,
        "cache_write_tokens": 0, "output_tokens": 500, "thinking_tokens": 0, "usd": 0.25,
        "latency_seconds": 1.0, "created_at": NOON,
    }  # fmt: skip
    return Call(**plain | fields)


def told(calls: list[Call]) -> list[str]:
    return spend_lines(spend_by_role(calls))


def test_each_role_has_a_line_and_their_sum_another():
    calls = [
        call("ideate"),
        *[call("implement", cache_read_tokens=200_000, cache_write_tokens=500)] * 12,
    ]
    assert told(calls) == [
        "ideator        1 call  1.0k tokens in     0 cached   500 out  $0.25",
        "implementer  12 calls   18k tokens in  2.4M cached  6.0k out  $3.00",
        "together     13 calls   19k tokens in  2.4M cached  6.5k out  $3.25",
    ]


def test_one_role_alone_needs_no_sum_and_none_at_all_is_said():
    assert len(told([call("ideate")])) == 1
    assert told([]) == ["no model was asked yet"]


def test_calls_without_a_price_are_never_counted_as_free():
    unknown = call("ideate", usd=None)
    assert told([unknown])[0].endswith("cost unknown")
    mixed = told([unknown, unknown, call("ideate")])[0]
    assert mixed.endswith("$0.25 and 2 calls of unknown cost")


def test_calls_that_were_cancelled_are_counted_and_said():
    assert (
        "2 calls, 1 cancelled"
        in told([call("implement"), call("implement", stop_reason="cancelled")])[0]
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9949, "9.9k"), (9950, "10k"), (12_300_000, "12M")],
)
def test_counts_are_short(number: int, text: str):
    assert compact(number) == text


def test_the_time_of_each_stage_has_that_of_screens_and_of_the_jobs_of_a_policy_in_it():
    screens = [screening("e00-i000", 0, 3.0), screening("e00-i001", 0, None)]
    outcomes = [
        scored("e00-i000", 2.0),
        failed("e00-i001", train_seconds=6.0, score_seconds=1.0, wall_seconds=8.0),
    ]
    parts: dict[str, Any] = {
        "spends": spend_by_role([call("ideate"), call("implement", latency_seconds=3.0)]),
        "preflight_seconds": 7.0,
        "runs": [run("e00-i000", started_at=NOON + timedelta(seconds=9))],
    }
    searched = time_spent(**parts, screens=[], outcomes=outcomes, updates=[])
    assert searched == {
        "idea": 1.0, "patch": 3.0, "preflight": 7.0, "queue": 9.0,
        "train": 14.0, "score": 3.0, "overhead": 2.0,
    }  # fmt: skip
    screened = time_spent(**parts, screens=screens, outcomes=outcomes, updates=[])
    once = searched | {"train": 20.0, "score": 4.0, "overhead": 3.0}
    assert screened == once, "who failed in the screen is an outcome already"
    taught = time_spent(**parts, screens=[], outcomes=outcomes, updates=[UPDATE])
    assert taught == searched | {"idea": 41.0, "update": 5.0}
    assert time_line(taught).endswith("overhead 2 s, update 5 s")


def test_what_was_summed_up_before_is_gone_on_with():
    calls = [call("ideate"), call("implement"), call("implement", usd=None)]
    before, since = spend_by_role(calls[:2]), spend_by_role(calls[2:])
    assert added(before, since) == spend_by_role(calls)
    assert added({}, {}) == {}
