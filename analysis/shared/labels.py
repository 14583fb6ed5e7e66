"""Ideas -> their kinds as a model sees them: asked once for each, and kept in a journal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from airr.errors import ConfigError
from airr.llm.journal import Journal
from airr.llm.prices import load_prices
from airr.llm.protocol import Completion, Message, Provider, Purpose, Request
from airr.prompts import Prompts
from airr.resources import resource
from analysis.shared.kinds import Kind

AT_ONCE = 8
ANSWER_TOKENS = 200
LONGEST = 20_000
"""Characters of an idea, and of its diff, that the model is shown."""
WORDS = re.compile(r"\b(hyper-?\s?parameter|algorithmic)s?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An idea to be labelled; `name` is unique among all that are asked about."""

    name: str
    text: str
    diff: str


class Closable(Provider, Protocol):
    """A provider with a connection to be closed."""

    async def aclose(self) -> None:
        """Close it."""
        ...


def provider_named(name: str, base_url: str | None) -> Closable:
    """Return who answers.

    Raises:
        ConfigError: there is no such provider.
        ProviderError: it needs a key, and there is none.
    """
    if name == "anthropic":
        from airr.llm.anthropic import Anthropic  # noqa: PLC0415 - the SDK takes a second

        return Anthropic(concurrency=AT_ONCE, base_url=base_url)
    if name == "openai":
        from airr.llm.openai import OpenAI  # noqa: PLC0415 - the SDK takes a second

        return OpenAI(concurrency=AT_ONCE, base_url=base_url)
    raise ConfigError(f"--provider {name}: known are anthropic and openai")


def labelled(
    subjects: Sequence[Subject], provider: Closable, model: str, journal: Path
) -> list[Kind]:
    """Return a kind for each subject; what stands in the journal is not asked again.

    Raises:
        ProviderError: the model cannot be asked; what it has answered is kept.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    book = Journal(
        journal, {Purpose.LABEL: provider}, load_prices(resource("conf") / "prices.yaml")
    )
    prompts = Prompts()

    async def ask() -> list[Completion]:
        try:
            async with asyncio.TaskGroup() as group:
                requests = [_request(one, model, prompts) for one in subjects]
                asked = [group.create_task(book.ask(request)) for request in requests]
        finally:
            await provider.aclose()
        return [one.result() for one in asked]

    try:
        return [_kind_in(answer) for answer in asyncio.run(ask())]
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        book.close()


def _request(subject: Subject, model: str, prompts: Prompts) -> Request:
    shown = {"idea": subject.text[:LONGEST], "diff": subject.diff[:LONGEST]}
    return Request(
        id=f"label/{subject.name}",
        purpose=Purpose.LABEL,
        model=model,
        system=prompts.render("label/system.j2", {}),
        messages=(Message("user", prompts.render("label/kind.j2", shown)),),
        temperature=0.0,
        max_tokens=ANSWER_TOKENS,
        thinking_tokens=0,
        seed=0,
    )


def _kind_in(answer: Completion) -> Kind:
    """Return the last word of the answer that decides."""
    words = WORDS.findall(answer.text)
    if not words:
        return Kind.UNCLEAR
    return Kind.ALGORITHMIC if words[-1].lower() == "algorithmic" else Kind.HYPERPARAMETER
