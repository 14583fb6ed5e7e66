"""A model on this machine, in a process of its own: ideas and diffs of env=nanogpt over HTTP."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.instant import Cost, Model, catalogue_of
from tests.llm.loopback import Asked, Loopback, Reply
from tests.llm.toy_model import is_ideation, said_to

PROPOSE = re.compile(r"Propose (\d+)")


@contextmanager
def served(latency: float) -> Generator[str]:
    """Yield the URL of such a model, whose answers begin after so many seconds."""
    command = [sys.executable, __file__, str(latency)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert server.stdin
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


def main() -> None:
    """Serve until standard input ends."""
    latency = float(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        model = Model(catalogue_of(Path(folder), only_sound=True), Cost())

    def answer(asked: Asked) -> Reply:
        if is_ideation(asked):
            text = model.ideas(int(PROPOSE.findall(asked.prompt)[-1]))
        else:
            text = model.diff(said_to(asked))
        return Reply(text=text, prefill_seconds=latency)

    with Loopback(answer, key=None) as loopback:
        print(loopback.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
