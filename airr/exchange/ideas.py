"""A file of ideas -> the first epoch of a campaign that executes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from airr.errors import ConfigError
from airr.exchange.files import SUFFIXES, raw_rows
from airr.exchange.rows import BadRow, GivenIdea, given_idea
from airr.forks import Heritage
from airr.records import Idea, Origin
from airr.researcher.blocks import LONGEST_IDEA, parse_blocks

TEXTS = (".txt", ".md")
MOST_IDEAS = 10_000
SOMEBODY = "given"
"""Who had the idea, where the file does not say."""


def read_ideas(path: Path, now: datetime) -> Heritage:
    """Return the ideas of a file in their order, as the first epoch of a campaign.

    Rows (Parquet, JSON, JSON lines) need an `idea`, and may name their `ideator_model`, so that
    files of trajectories will do; texts hold blocks as models write them.

    Raises:
        ConfigError: the file is missing, of no known form, or holds what is no idea.
    """
    given = _in_text(path) if path.suffix in TEXTS else _in_rows(path)
    found = [*given]
    if not found:
        raise ConfigError(f"ideas={path}: it holds no idea")
    if len(found) > MOST_IDEAS:
        raise ConfigError(f"ideas={path}: {len(found):,} ideas; {MOST_IDEAS:,} are taken at most")
    ideas = tuple(_idea(number, one, now) for number, one in enumerate(found))
    return Heritage(ideas=ideas, outcomes=())


def _in_text(path: Path) -> Iterable[GivenIdea]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"ideas={path}: there is no such file") from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(f"ideas={path} is no text") from error
    blocks = parse_blocks(text)
    if not blocks:
        raise ConfigError(
            f"ideas={path}: no idea in the form\n"
            "  [Experiment] What to try, and why.\n  [Code Changes] What to change.\n  [End]"
        )
    return [GivenIdea(text=block.text, model="") for block in blocks]


def _in_rows(path: Path) -> Iterable[GivenIdea]:
    if path.suffix not in SUFFIXES:
        forms = ", ".join((*SUFFIXES, *TEXTS))
        raise ConfigError(f"ideas={path}: which form? name a file that ends in {forms}")
    rows = raw_rows(path, ("idea",), "ideas", more=("ideator_model",))
    return [_checked(path, number, raw) for number, raw in enumerate(rows, start=1)]


def _checked(path: Path, number: int, raw: Any) -> GivenIdea:
    try:
        if isinstance(raw, BadRow):
            raise raw
        return given_idea(raw, longest=LONGEST_IDEA)
    except BadRow as bad:
        raise ConfigError(f"ideas={path}, row {number}: {bad}") from None


def _idea(number: int, given: GivenIdea, now: datetime) -> Idea:
    return Idea(
        id=f"e00-i{number:03d}",
        epoch=0,
        text=given.text,
        origin=Origin.IMPORTED,
        parents=(),
        model=given.model or SOMEBODY,
        thinking_tokens=0,
        idea_tokens=0,
        prompt_hash="",
        call_id="",
        created_at=now,
    )
