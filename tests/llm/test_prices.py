"""Tokens into dollars."""

from pathlib import Path

import pytest

from airr.errors import ConfigError
from airr.llm.prices import Price, load_prices, usd_of
from airr.llm.protocol import Usage
from airr.resources import resource

SHIPPED = load_prices(resource("conf") / "prices.yaml")


def test_each_kind_of_token_has_its_price():
    usage = Usage(
        input_tokens=1_000_000,
        cache_write_tokens=2_000_000,
        cache_read_tokens=10_000_000,
        output_tokens=100_000,
        thinking_tokens=60_000,
    )
    assert usd_of("claude-opus-4-5", usage, SHIPPED) == pytest.approx(5 + 12.5 + 5 + 2.5)


@pytest.mark.parametrize(
    "model", ["claude-opus-4-5-20251101", "claude-opus-4-5@20251101", "claude-opus-4-5-latest"]
)
def test_a_snapshot_costs_what_its_model_costs(model: str):
    usage = Usage(output_tokens=1_000_000)
    assert usd_of(model, usage, SHIPPED) == 25


def test_the_longest_name_counts():
    table = {
        "m": Price(input=1, cache_write=1, cache_read=1, output=1),
        "m-20260101": Price(input=2, cache_write=2, cache_read=2, output=2),
    }
    usage = Usage(input_tokens=1_000_000)
    assert usd_of("m-20260101", usage, table) == 2
    assert usd_of("m-20260202", usage, table) == 1


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5.4", "Qwen/Qwen3-30B-A3B", "claude-opus-9"])
def test_a_relative_of_a_known_model_has_unknown_cost(model: str):
    assert usd_of(model, Usage(input_tokens=5), SHIPPED) is None


def test_every_shipped_price_is_plausible():
    assert SHIPPED["offline"] == Price(input=0, cache_write=0, cache_read=0, output=0)
    paid = {model: price for model, price in SHIPPED.items() if model != "offline"}
    for model, price in paid.items():
        assert 0 < price.cache_read < price.input <= price.cache_write < price.output, model


@pytest.mark.parametrize(
    "text", ["m: 5", "m: {input: 1}", "m: {input: x, cache_write: 1, cache_read: 1, output: 1}"]
)
def test_an_entry_that_does_not_fit_is_named(tmp_path: Path, text: str):
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.yaml: m must have"):
        load_prices(path)


@pytest.mark.parametrize("text", ["- a list", "{", ""])
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.yaml must map model names to prices"):
        load_prices(path)


def test_a_missing_table_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="nowhere"):
        load_prices(tmp_path / "nowhere.yaml")
