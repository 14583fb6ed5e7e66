"""Run airr, or go on with it: URL CANDIDATES IN_FLIGHT FOLDER [real].

Without `real`, preflights and workers are the stand-ins of benchmarks/instant.py: the evaluator is
instant. With it, every candidate is tried and run on this machine, as `cluster=local` does.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from airr.composition import compositions
from airr.display.live import follow
from airr.head import take_the_head
from airr.parsing import parse_config
from airr.start import start_of
from benchmarks.instant import Cost, Preflight, Workers
from tests.toy import SCORER

HERE = Path(__file__).parent
PER_EPOCH = 50
TRAIN = """\
import os, pathlib
from initial import value
pathlib.Path(os.environ["AIRR_OUT"], "checkpoint.txt").write_text(str(value()))
"""


def main() -> None:
    """Run until so many ideas have an outcome."""
    url, candidates, in_flight, folder, *real = sys.argv[1:]
    place, count = Path(folder), int(candidates)
    per_epoch = min(PER_EPOCH, count)
    (raw,) = compositions(
        "evolve",
        [
            *_environment(place), "llm=openai", f"llm.base_url={url}/v1",
            "llm.ideator.model=local-model", "llm.implementer.model=local-model",
            f"llm.concurrency={in_flight}", "implement.samples=1", "implement.repair_runs=0",
            f"implement.concurrent_ideas={in_flight}", f"search.epochs={count // per_epoch}",
            f"search.ideas_per_epoch={per_epoch}", "search=best_of_n", "cluster=local",
            "cluster.sandbox=none", "wandb.mode=disabled", "campaign=beside",
        ],
    )  # fmt: skip
    for not_frozen in ("fork", "once"):
        raw.pop(not_frozen)
    start = start_of(parse_config(raw), raw)
    stand_in = patch("airr.head.Preflight", lambda *_, **__: Preflight(Cost()))
    if not real:
        start = replace(start, cluster=Workers(Cost()))

    async def evolve() -> None:
        async with take_the_head(start) as head, follow(head, []):
            await head.campaign.run()

    with nullcontext() if real else stand_in:
        asyncio.run(evolve())


def _environment(place: Path) -> list[str]:
    """Make the environment unless an earlier run did, and return the settings that choose it."""
    env, data = place / "env", place / "data"
    if not env.exists():
        (env / "codebase").mkdir(parents=True)
        data.mkdir()
        (data / "nothing").write_text("there is no data")
        (env / "task.md").write_text("The number that value() returns is to become small.")
        (env / "codebase" / "initial.py").write_bytes((HERE / "initial.py").read_bytes())
        (env / "codebase" / "train.py").write_text(TRAIN)
        (env / "score.py").write_text(SCORER)
    return [
        f"env.folder={env}", "env.train.argv=['{python}',train.py]",
        "env.preflight.train.argv=['{python}',train.py]",
        "env.score.argv=['{python}','{env}/score.py']", "env.checkpoint=checkpoint.txt",
        f"env.train_data={data}", f"env.sealed_data={data}",
        f"env.preflight.train_data={data}", f"env.preflight.sealed_data={data}",
        "env.metric.plausible=[0.5,12.0]", f"root={place / 'runs'}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
