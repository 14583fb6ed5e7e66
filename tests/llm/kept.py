"""Which answers of a loopback server a journal holds, and which of them were asked for again.

Every answer begins with the number of its request, by which it is found in the journal.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from airr.llm.entries import Kind
from airr.llm.lines import LineFile, TornEnd
from tests.llm.loopback import Asked, Reply

NUMBER = re.compile(r"answer (\d+)\.")


def numbered(asked: Asked, reply: Reply) -> Reply:
    """Return an answer that begins with its number, and takes a moment."""
    return replace(reply, text=f"This is answer {asked.number}.\n\n{reply.text}", seconds=0.05)


def kept_in(path: Path) -> set[int]:
    """Return the numbers of the requests whose whole answers are in a journal nobody writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TornEnd)
        lines = LineFile(path)
    records = [record for _, record in lines.scan() if record["kind"] == Kind.CALL]
    lines.close()
    answers = [one["completion"] for one in records]
    whole = [one["text"] for one in answers if one["stop_reason"] != "cancelled"]
    numbers = [int(match[1]) for text in whole if (match := NUMBER.search(text))]
    assert len(numbers) == len(set(numbers)) == len(whole)
    return set(numbers)


def askings(requests: Iterable[Asked]) -> list[list[int]]:
    """Return by which numbers each request was asked; one body is one: seeds tell samples apart."""
    asked_for: defaultdict[str, list[int]] = defaultdict(list)
    for asked in requests:
        asked_for[json.dumps(asked.body, sort_keys=True)].append(asked.number)
    return list(asked_for.values())


def asked_again(requests: Iterable[Asked], kept: Collection[int]) -> list[list[int]]:
    """Return the requests that were asked again although their answer was on disk."""
    return [numbers for numbers in askings(requests) if {*kept} & {*numbers[:-1]}]
