"""A config -> who answers the requests of each role, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from airr.budget import check_prices
from airr.config import IDEATOR, OFFLINE, Config, Role
from airr.errors import ConfigError, ProviderError
from airr.executor.plans import env_folder
from airr.llm.batches import Batched
from airr.llm.catalogue import Catalogue
from airr.llm.offline import Offline
from airr.llm.prices import PriceTable, load_prices
from airr.llm.protocol import Provider, Purpose
from airr.llm.reach import trouble_with
from airr.records import Idea
from airr.resources import resource
from airr.workspace import Workspace


def providers_of(config: Config) -> Mapping[str, Provider]:
    """Return who answers, by the names that requests have for them (`Request.served_by`).

    Nothing is put on disk before the first request. Each role has a provider of its own, for rate
    limits are counted by model.

    Raises:
        ConfigError: there is no such provider.
        ProviderError: it needs a key, and there is none.
    """
    if config.llm.batch and "anthropic" not in {r.provider for r in config.llm.roles.values()}:
        raise ConfigError("llm.batch=true needs llm=anthropic: only Claude takes batches here")
    roles = {name: _provider(config, name, role) for name, role in config.llm.roles.items()}
    further = {
        f"{Purpose.IDEATE}/{name}": roles[f"ensemble.{name}"] for name in config.llm.ensemble
    }
    return {
        Purpose.IDEATE: roles[IDEATOR],
        f"{Purpose.IDEATE}/{IDEATOR}": roles[IDEATOR],
        **further,
        Purpose.IMPLEMENT: roles["implementer"],
    }


def check_endpoints(config: Config) -> frozenset[str]:
    """Refuse to begin where nobody listens, or no question would be answered.

    Return the roles whose keys and models are accepted; of the others nobody has said so.

    Raises:
        ProviderError: it is so.
    """
    accepted: set[str] = set()
    for name, role in asked_roles(config):
        if role.base_url and (trouble := trouble_with(role.base_url)):
            raise ProviderError(
                f"nobody answers at {role.base_url}, where the {name} should be asked ({trouble}): "
                f"start that endpoint first, or correct llm.base_url or llm.{name}.base_url"
            )
        if check_access(role.provider, role.base_url, role.model):
            accepted.add(name)
    return frozenset(accepted)


def asked_roles(config: Config) -> Iterator[tuple[str, Role]]:
    """Yield the roles of which a model is asked, with their names."""
    for name, role in config.llm.roles.items():
        if role.provider != OFFLINE:
            yield name, role


def check_given(config: Config, ideas: Sequence[Idea]) -> None:
    """Refuse ideas of somebody's own where there is but the catalogue to implement them.

    Raises:
        ConfigError: it is so.
    """
    if config.llm.roles["implementer"].provider != OFFLINE:
        return
    catalogue = Catalogue.read(env_folder(config) / "catalogue")
    strange = [idea for idea in ideas if catalogue.recipe_in(idea.text) is None]
    if strange:
        raise ConfigError(
            f"{len(strange)} of the {len(ideas)} ideas are not of the catalogue of "
            f"env={config.env.name}, and without a model nothing else can be implemented: set "
            "ANTHROPIC_API_KEY, or choose llm=openai"
        )


@cache
def check_access(provider: str, base_url: str | None, model: str) -> bool:
    """Refuse a key that is not accepted, or a model that its provider does not know.

    Return whether the provider has said that it accepts both.

    Raises:
        ProviderError: it is so.
    """
    if provider == "anthropic":
        from airr.llm.anthropic import Anthropic  # noqa: PLC0415 - the SDK takes a second

        return Anthropic(concurrency=1, base_url=base_url).check(model)
    from airr.llm.openai import OpenAI  # noqa: PLC0415 - the SDK takes a second

    return OpenAI(concurrency=1, base_url=base_url).check(model)


def prices_of(config: Config) -> PriceTable:
    """Return what models cost.

    Raises:
        ConfigError: the table cannot be read, or lacks a model whose dollars are bounded.
    """
    own = Path(config.prices) if config.prices else None
    prices = load_prices(resource("conf") / "prices.yaml", own)
    check_prices(config.budget, config.llm, prices)
    return prices


def _provider(config: Config, name: str, role: Role) -> Provider:
    match role.provider:
        case Offline.name:
            return Offline(Catalogue.read(env_folder(config) / "catalogue"))
        case "anthropic":
            from airr.llm.anthropic import Anthropic  # noqa: PLC0415 - the SDK takes a second

            if config.llm.batch:
                from airr.llm.anthropic_batches import AnthropicBatches  # noqa: PLC0415

                batches = Workspace(Path(config.root) / config.campaign).batches
                endpoint = AnthropicBatches(concurrency=role.concurrency, base_url=role.base_url)
                return Batched(endpoint, batches / f"{name}.jsonl")
            return Anthropic(concurrency=role.concurrency, base_url=role.base_url)
        case "openai":
            from airr.llm.openai import OpenAI  # noqa: PLC0415 - the SDK takes a second

            return OpenAI(concurrency=role.concurrency, base_url=role.base_url)
        case other:
            raise ConfigError(
                f"llm.{name}.provider={other}: known are offline, anthropic and openai"
            )
