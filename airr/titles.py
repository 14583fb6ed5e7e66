"""Ideas' texts -> titles of one line that tell them apart. Pure.

A title is an idea's first sentence. Ideas that vary another one often begin alike; theirs go on
with the words in which they differ: `Multiply the logits … by 4 instead of`, `… by 8 instead of`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from airr.plain import plain_line

LONGEST = 160
"""Characters of a title where nothing else bounds it."""
MARKS = 3
"""Places at which a title says how it differs, at most."""
SURELY_ALIKE = 60
"""Characters in which ideas agree that begin alike."""
BEFORE, AFTER = 2, 2
"""Words that are shown around a difference."""
MARKER = re.compile(r"\[(?:Experiment|Code Changes)\]")
SENTENCE_END = re.compile(r"(?<!\bet al)(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bcf)[.!?] +(?=\S)")
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Title:
    """How an idea begins, and in which words it differs from others that begin alike, if any do."""

    opening: str
    apart: str = ""

    def within(self, width: int = LONGEST) -> str:
        """Return it on at most so many characters; what sets it apart is the last to be cut."""
        apart = f" {ELLIPSIS} {self.apart}" if self.apart else ""
        room = width - len(apart)
        if len(self.opening) <= room or not apart:
            return _cut(self.opening + apart, width)
        if room < width // 4:
            return _cut(apart.strip(), width)
        return _cut(self.opening, room).removesuffix(ELLIPSIS) + apart


def titles_of(texts: Mapping[str, str]) -> dict[str, Title]:
    """Return the title of each idea, by its id, as they are told apart from one another."""
    words = {key: plain_line(MARKER.sub(" ", text)).split(" ") for key, text in texts.items()}
    openings = {key: _first_sentence(text) for key, text in texts.items()}
    alike: dict[str, list[str]] = defaultdict(list)
    for key, opening in openings.items():
        alike[opening[:LONGEST]].append(key)
    marks = {
        key: places
        for keys in alike.values()
        for key, places in _differences({key: words[key] for key in keys}, 0, MARKS)
    }
    return {key: Title(openings[key], _excerpts(words[key], marks[key])) for key in texts}


def title_of(key: str, texts: Mapping[str, str]) -> Title:
    """Return the title of one idea among all, without a look at those that begin otherwise."""
    start = texts[key][:SURELY_ALIKE]
    return titles_of({k: text for k, text in texts.items() if text.startswith(start)})[key]


def _first_sentence(text: str) -> str:
    line = plain_line(text.removeprefix("[Experiment]").partition("[Code Changes]")[0])
    found = SENTENCE_END.search(line)
    return line[: found.start()] if found else line.removesuffix(".")


def _differences(
    texts: Mapping[str, Sequence[str]], start: int, most: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Return by key the places of words that tell texts apart which agree up to word `start`."""
    place = start
    longest = max(map(len, texts.values()))
    while place < longest and len({_word(text, place) for text in texts.values()}) == 1:
        place += 1
    if len(texts) == 1 or place == longest or most == 0:
        yield from ((key, ()) for key in texts)
        return
    groups: dict[str, dict[str, Sequence[str]]] = defaultdict(dict)
    for key, text in texts.items():
        groups[_word(text, place)][key] = text
    for group in groups.values():
        for key, places in _differences(group, place + 1, most - 1):
            yield key, (place, *places)


def _word(text: Sequence[str], place: int) -> str:
    return text[place] if place < len(text) else ""


def _excerpts(words: Sequence[str], places: Sequence[int]) -> str:
    """Return the words around some places, each of them once."""
    shown: list[str] = []
    end = 0
    for place in places:
        start = max(end, place - BEFORE)
        shown += [*([ELLIPSIS] if shown and start > end else []), *words[start : place + AFTER]]
        end = max(end, place + AFTER)
    return _cut(" ".join(shown), LONGEST // 2)


def _cut(line: str, width: int) -> str:
    """Return a line on at most so many characters, cut between words where that is possible."""
    if len(line) <= width:
        return line
    head = line[: max(width - len(ELLIPSIS), 0)]
    return (head.rpartition(" ")[0] or head).rstrip(",;:") + ELLIPSIS
