"""Which settings lead to whom."""

from pathlib import Path
from typing import Any

import pytest

from airr.config import Config
from airr.errors import ConfigError
from airr.head import ideas_at_once
from airr.llm.anthropic import Anthropic
from airr.llm.batches import Batched
from airr.llm.openai import OpenAI
from airr.llm.protocol import Purpose
from airr.parsing import parse_config
from airr.providers import providers_of
from tests.llm.loopback import KEY
from tests.test_config import composed


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def config(*overrides: str) -> Config:
    return parse_config(composed(*overrides))


def kinds(*overrides: str) -> list[Any]:
    providers = providers_of(config(*overrides))
    return [type(providers[purpose]) for purpose in (Purpose.IDEATE, Purpose.IMPLEMENT)]


def test_each_role_is_served_by_its_own_provider():
    served = ["llm.implementer.provider=openai", "llm.implementer.base_url=http://node17:8000/v1"]
    assert kinds("llm=anthropic", *served) == [Anthropic, OpenAI]


def test_two_roles_at_one_endpoint_have_rate_limits_of_their_own():
    providers = providers_of(config("llm=anthropic"))
    assert providers[Purpose.IDEATE] is not providers[Purpose.IMPLEMENT]


def test_batches_are_for_the_roles_that_claude_plays_and_for_all_ideas_of_an_epoch(tmp_path: Path):
    served = ["llm.implementer.provider=openai", "llm.implementer.base_url=http://node17:8000/v1"]
    root = f"root={tmp_path}"
    assert kinds("llm=anthropic", "llm.batch=true", root) == [Batched, Batched]
    assert kinds("llm=anthropic", "llm.batch=true", root, *served) == [Batched, OpenAI]
    assert list(tmp_path.iterdir()) == [], "a campaign that is refused leaves nothing"
    large = ["search.ideas_per_epoch=80", "llm=anthropic"]
    assert ideas_at_once(config(*large)) == 16
    assert ideas_at_once(config(*large, "llm.batch=true")) == 80


def test_batches_of_a_model_that_takes_none_are_refused():
    with pytest.raises(ConfigError, match="only Claude takes batches"):
        kinds("llm=openai", "llm.base_url=http://node17:8000/v1", "llm.batch=true")


def test_an_unknown_provider_is_named():
    with pytest.raises(ConfigError, match=r"llm\.ideator\.provider=claude: known are offline"):
        kinds("llm=anthropic", "llm.ideator.provider=claude")
