"""Many answers compared side by side, each within a time limit, in processes that may be lost."""

from __future__ import annotations

import json
import queue
import select
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from answers import compare_texts

GRADER = Path(__file__).resolve().parent / "grader.py"
START_SECONDS = 60.0
"""What the first answer of a process gets: it begins with importing sympy."""

Pair = tuple[str, str]
"""An answer, and the truth."""


def grade_all(
    pairs: Sequence[Pair], command: Sequence[str], *, processes: int, seconds: float
) -> tuple[list[bool], int]:
    """Return whether each answer is the true one, and how many took too long and so are not.

    What the texts alone decide needs no process; `command` starts one, the grader's own
    arguments still to be appended.
    """
    verdicts = [compare_texts(*pair) for pair in pairs]
    open_pairs = {pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict is None}
    waiting: queue.SimpleQueue[Pair] = queue.SimpleQueue()
    for pair in sorted(open_pairs):
        waiting.put(pair)
    found: dict[Pair, bool | None] = {}
    threads = [
        threading.Thread(target=_work, args=(waiting, found, command, seconds))
        for _ in range(min(processes, len(open_pairs)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) < len(open_pairs):
        raise RuntimeError("a grader could not be started")
    undecided = sum(same is None for same in found.values())
    settled = zip(pairs, verdicts, strict=True)
    return [bool(found[pair] if same is None else same) for pair, same in settled], undecided


def _work(
    waiting: queue.SimpleQueue[Pair],
    found: dict[Pair, bool | None],
    command: Sequence[str],
    seconds: float,
) -> None:
    grader: Grader | None = None
    try:
        while True:
            pair = waiting.get_nowait()
            grader = grader or Grader(command)
            found[pair] = grader.compare(pair, seconds)
            if found[pair] is None:
                grader.end()
                grader = None
    except queue.Empty:
        return
    finally:
        if grader:
            grader.end()


class Grader:
    """One process that compares answers."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it, and wait until it has compared something easy."""
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if self.compare(("x", "x"), START_SECONDS) is not True:
            self.end()
            raise RuntimeError("a grader does not know that x is x: is math-verify installed?")

    def compare(self, pair: Pair, seconds: float) -> bool | None:
        """Return its verdict, or None where there is none in time."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(pair).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return None
        ready, _, _ = select.select([stdout], [], [], seconds)
        line = stdout.readline() if ready else b""
        return {b"true\n": True, b"false\n": False}.get(line)

    def end(self) -> None:
        """Leave nothing of it running."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
