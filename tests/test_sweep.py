"""Campaigns of one sweep: how they are counted, and that they must be apart."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from airr.display.lanes import follow
from airr.errors import ConfigError
from airr.sweep import Lane, check_apart


def lane(**raw: object) -> Lane:
    config = cast("Any", SimpleNamespace(root="runs", campaign=raw["campaign"]))
    return Lane(config=config, raw=raw, forked_from=None)


@pytest.mark.parametrize(
    ("names", "told"), [("a", "1 campaign:\n"), ("ab", "2 campaigns side by side:\n")]
)
def test_who_runs_is_counted_in_words(names: str, told: str, capsys: pytest.CaptureFixture[str]):
    async def run() -> None:
        async with follow([lane(campaign=name) for name in names]):
            pass

    asyncio.run(run())
    assert capsys.readouterr().out.startswith(told)


def test_a_value_that_stands_twice_is_told_as_such():
    with pytest.raises(ConfigError, match=r"^runs/a is in this sweep 2 times, with the same sett"):
        check_apart([lane(campaign="a", seed=1), lane(campaign="b"), lane(campaign="a", seed=1)])


def test_campaigns_that_differ_need_names_that_do():
    with pytest.raises(ConfigError, match=r"^two campaigns of this sweep are called runs/a: let"):
        check_apart([lane(campaign="a", seed=1), lane(campaign="a", seed=2)])
