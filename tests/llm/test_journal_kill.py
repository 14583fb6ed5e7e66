"""kill -9 in the middle of 80 ideas, again and again: nothing is lost, nothing is asked twice."""

import asyncio
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from airr.llm.journal import Journal
from airr.llm.lines import TornEnd
from airr.llm.protocol import Purpose
from tests.llm.asking import IDEAS
from tests.llm.cases import serving
from tests.llm.loopback import Asked, Loopback, Reply

ROOT = Path(__file__).parents[2]
KILLS = 4
ALL_IDEAS = {f"idea {i}" for i in range(IDEAS)}


def answer(asked: Asked) -> Reply:
    return Reply(text=f"answer to {asked.prompt}", seconds=0.1)


def start(path: Path, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.llm.asking", str(path), url]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], loopback: Loopback, answers: int) -> None:
    """Kill the process once this many more answers have left the server."""
    enough = len(loopback.billed) + answers
    while len(loopback.billed) < enough:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.communicate()


async def journaled(path: Path, loopback: Loopback) -> set[str]:
    """Return the ids in the journal as the kill left it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TornEnd)
        async with serving("anthropic", loopback) as provider:
            journal = Journal(path, dict.fromkeys(Purpose, provider), {})
    ids = {call.id for call in journal.calls_after(0)}
    journal.close()
    return ids


def test_nothing_journaled_is_asked_twice_and_every_answer_is_there(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    rng = random.Random()
    kept: set[str] = set()
    with Loopback(answer) as loopback:
        for _ in range(KILLS):
            asked_before = len(loopback.asked)
            kill_after(start(path, loopback.url), loopback, rng.randint(3, 12))
            asked = {asked.prompt for asked in loopback.asked[asked_before:]}
            assert not asked & kept
            kept_before, kept = kept, asyncio.run(journaled(path, loopback))
            assert kept_before <= kept
        assert 0 < len(kept) < IDEAS
        asked_before = len(loopback.asked)
        output, _ = start(path, loopback.url).communicate(timeout=60)
        assert output == f"done {len(kept)}\n"
        last = Counter(asked.prompt for asked in loopback.asked[asked_before:])
        assert last == dict.fromkeys(ALL_IDEAS - kept, 1)
        assert asyncio.run(journaled(path, loopback)) == ALL_IDEAS
