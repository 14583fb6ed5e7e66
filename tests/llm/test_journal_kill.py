"""kill -9 in the middle of 80 ideas, again and again: nothing is lost, nothing is asked twice."""

import random
import subprocess
import sys
import time
from pathlib import Path

from tests.llm.implementing import CONCURRENCY, IDEAS
from tests.llm.kept import asked_again, askings, kept_in, numbered
from tests.llm.loopback import Loopback
from tests.llm.toy_model import ToyModel

ROOT = Path(__file__).parents[2]
KILLS = 3


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

    assert asked_again(loopback.asked, kept) == [], "asked again although its answer was on disk"
    lost = sum(len(numbers) - 1 for numbers in askings(loopback.asked))
    assert lost <= KILLS * CONCURRENCY, "only what was under way is asked once more"
