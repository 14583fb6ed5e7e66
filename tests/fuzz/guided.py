# pyright: reportAttributeAccessIssue=false
"""Fuzzes one target in this process, guided by coverage, until a defect or the end of its time.

To import this instruments airr and every target, which takes a while: whoever has many targets
forks a process for each.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import warnings
from contextlib import redirect_stderr
from pathlib import Path
from random import Random
from typing import NoReturn

import atheris

CODE = ("airr", "answers", "candidate", "losses", "score", "weights", "wire")
"""What is instrumented: the package, and the modules of the sealed scorers."""
TIMEOUT_SECONDS = 30
MEGABYTES = 4000
COMMITTED = Path(__file__).parent / "corpus"

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=[*CODE]):
    from tests.fuzz.mutation import LONGEST, changed
    from tests.fuzz.table import TARGETS


def fuzz(name: str, seconds: int, seed: int, corpus: Path, crashes: Path, log: Path) -> NoReturn:
    """Fuzz a target; this process ends within libFuzzer, whose account goes into `log`.

    Equal seeds try equal inputs, as many as there is time for; 0 is another one each time.
    """
    target = TARGETS[name]
    with log.open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    with atheris.instrument_imports(include=[*CODE]):  # of what is imported late
        for number, content in enumerate(target.seeds()):
            (corpus / f"seed-{number}").write_bytes(content)
            target(content)

    def mutate(data: bytes, largest: int, chance: int) -> bytes:
        """Return an input changed by libFuzzer, by our own mutations, or by both."""
        rng = Random(chance)
        if rng.random() < 0.6:
            data = changed(data, target.words, rng)[:largest]
        return atheris.Mutate(data, largest) if rng.random() < 0.6 else data

    options = (
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-timeout={TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={crashes}/",
        "-print_final_stats=1",
    )

    def tried(data: bytes) -> None:
        """Try an input; one that shows a defect is kept."""
        try:
            target(data)
        except BaseException:
            (crashes / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
            raise

    known = [str(COMMITTED / name)] if (COMMITTED / name).exists() else []
    atheris.Setup(["fuzz", *options, str(corpus), *known], tried, custom_mutator=mutate)
    atheris.Fuzz()
    raise AssertionError("libFuzzer came back")
