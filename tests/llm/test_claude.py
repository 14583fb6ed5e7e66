"""What each generation of Claude is sent, model by model."""

from typing import Any

import pytest

from airr.llm.claude import takes_temperature, thinking_settings, version_of
from tests.llm.cases import request


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-opus-4-5", (4, 5)),
        ("claude-opus-4-5-20251101", (4, 5)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-sonnet-5", (5, 0)),
        ("claude-haiku-5-5", (5, 5)),
        ("claude-mythos-preview", (99, 0)),
        ("somebody-elses", (99, 0)),
    ],
)
def test_a_version_is_read_from_the_name(model: str, version: tuple[int, int]):
    assert version_of(model) == version


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("claude-sonnet-4-5", {}),
        ("claude-opus-4-8", {}),
        ("claude-opus-5", {"thinking": {"type": "disabled"}}),
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}),
    ],
)
def test_no_thinking_is_asked_for_in_the_words_of_the_model(model: str, settings: dict[str, Any]):
    assert thinking_settings(request(model=model)) == {"max_tokens": 1000, **settings}


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-1", "claude-mythos-preview"])
def test_a_model_that_always_thinks_gets_least_effort_and_room_for_it(model: str):
    settings = thinking_settings(request(model=model))
    assert settings == {"max_tokens": 1000 + 8192, "output_config": {"effort": "low"}}


def test_a_budget_is_raised_to_the_least_that_is_taken():
    settings = thinking_settings(request(thinking_tokens=500))
    assert settings["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert settings["max_tokens"] == 1000 + 1024


@pytest.mark.parametrize(
    ("thinking_tokens", "effort"), [(1500, "low"), (3000, "medium"), (20_000, "high")]
)
def test_a_budget_becomes_an_effort_where_none_is_taken(thinking_tokens: int, effort: str):
    settings = thinking_settings(request(model="claude-opus-4-6", thinking_tokens=thinking_tokens))
    assert settings["output_config"] == {"effort": effort}
    assert settings["max_tokens"] > 1000 + thinking_tokens


@pytest.mark.parametrize(
    ("model", "thinking_tokens", "takes"),
    [
        ("claude-opus-4-6", 0, True),
        ("claude-opus-4-6", 1500, False),
        ("claude-opus-4-7", 0, False),
        ("claude-sonnet-5-5", 0, False),
    ],
)
def test_temperature_is_for_older_models_that_do_not_think(
    model: str, thinking_tokens: int, takes: bool
):
    asked = request(model=model, thinking_tokens=thinking_tokens)
    assert takes_temperature(asked) is takes
