"""A campaign's head without its jobs: 80 ideas proposed and implemented; killed by its test.

    python -m tests.llm.implementing JOURNAL URL

Everything that asks a model is the real thing; a preflight takes a moment and passes what runs.
Prints the value of each idea's tree, and how many answers were replayed.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from airr.executor.patches import Implementer
from airr.llm.journal import Journal
from airr.llm.protocol import Purpose
from airr.records import Idea, Origin
from airr.researcher.ideas import Ideator
from airr.researcher.strategy import IdeaRequest
from tests import asking, builders
from tests.executor.test_patches import Checks
from tests.llm.cases import serving_at
from tests.llm.test_roles import role

IDEAS = 80
SAMPLES = 2
AT_ONCE = 16
CONCURRENCY = 16


async def main(path: Path, url: str) -> None:
    """Propose and implement, as many at once as a campaign would."""
    async with serving_at("openai", url, concurrency=CONCURRENCY) as provider:
        journal = Journal(path, dict.fromkeys(Purpose, provider), {})
        ideas = await ideator(journal).propose(
            [IdeaRequest(origin=Origin.FRESH, count=10)] * (IDEAS // 10),
            epoch=0,
            baseline=builders.BASELINE_SCORE,
            tried=[],
        )
        implement, room = implementer(journal), asyncio.Semaphore(AT_ONCE)

        async def value_of(idea: Idea) -> str:
            async with room:
                done = await implement.implement(idea)
            assert done.tree is not None
            return done.tree["recipe.py"].split()[-1]

        values = await asyncio.gather(*map(value_of, ideas))
        print("done", journal.replayed, *values, flush=True)


def ideator(journal: Journal) -> Ideator:
    return asking.ideator(journal.ask, role=role("openai"))


def implementer(journal: Journal) -> Implementer:
    return asking.implementer(
        journal.ask,
        holds=journal.holds,
        preflight=Checks(passes=lambda tree: "1 / 0" not in tree["recipe.py"]),
        role=role("openai"),
        how=replace(builders.IMPLEMENT, samples=SAMPLES),
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
