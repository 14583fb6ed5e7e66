"""kill -9 in the middle of 80 ideas, again and again: nothing is lost, nothing is asked twice."""

import json
import random
import re
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from airr.llm.entries import Kind
from airr.llm.lines import LineFile, TornEnd
from tests.llm.implementing import CONCURRENCY, IDEAS
from tests.llm.loopback import Asked, Loopback, Reply
from tests.llm.toy_model import ToyModel

ROOT = Path(__file__).parents[2]
KILLS = 3
NUMBER = re.compile(r"answer (\d+)\.")
"""Every answer begins with the number of its request, by which it is found in the journal."""


def numbered(asked: Asked, reply: Reply) -> Reply:
    return replace(reply, text=f"This is answer {asked.number}.\n\n{reply.text}", seconds=0.05)


def start(path: Path, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.llm.implementing", str(path), url]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], loopback: Loopback, answers: int) -> None:
    """Kill the process once this many more answers have left the server."""
    enough = len(loopback.billed) + answers
    while len(loopback.billed) < enough:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.communicate()


def kept_in(path: Path) -> set[int]:
    """Return the numbers of the requests whose whole answers are in the journal."""
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


def test_nothing_that_was_kept_is_asked_again_and_all_80_ideas_are_implemented(tmp_path: Path):
    path, rng = tmp_path / "journal.jsonl", random.Random()
    kept: set[int] = set()
    with Loopback(ToyModel(numbered), key=None) as loopback:
        for _ in range(KILLS):
            kill_after(start(path, loopback.url), loopback, rng.randint(5, 60))
            kept_before, kept = kept, kept_in(path)
            assert kept_before <= kept
        output, _ = start(path, loopback.url).communicate(timeout=100)
        kept = kept_in(path)
    word, replayed, *values = output.split()
    assert word == "done"
    assert len(set(values)) == IDEAS
    assert int(replayed) > 0

    asked_for: defaultdict[str, list[int]] = defaultdict(list)
    for asked in loopback.asked:  # one body is one request: seeds tell samples apart
        asked_for[json.dumps(asked.body, sort_keys=True)].append(asked.number)
    again = [numbers for numbers in asked_for.values() if kept & {*numbers[:-1]}]
    assert again == [], "asked again although its answer was on disk"
    lost = sum(len(numbers) - 1 for numbers in asked_for.values())
    assert lost <= KILLS * CONCURRENCY, "only what was under way is asked once more"
