"""A campaign's head, as far as the journal goes: asks 80 requests; killed by its test.

    python -m tests.llm.asking JOURNAL URL

Prints how many answers it replayed, and says "done" once it has all of them.
"""

import asyncio
import sys
from pathlib import Path

from airr.llm.journal import Journal
from airr.llm.protocol import Message, Purpose
from tests.llm.accounting import SHORTEST_TOKENS
from tests.llm.cases import request, serving_at

IDEAS = 80
SHARED = Message("user", "def train(): ...\n" * SHORTEST_TOKENS, cache_until_here=True)


def asked(number: int):
    """Return the request for one idea."""
    prompt = f"idea {number}"
    return request(id=prompt, messages=(SHARED, Message("user", prompt)))


async def main(path: Path, url: str) -> None:
    """Ask for every idea, as many at once as a campaign would."""
    async with serving_at("anthropic", url) as provider:
        journal = Journal(path, dict.fromkeys(Purpose, provider), {})
        completions = await asyncio.gather(*(journal.ask(asked(i)) for i in range(IDEAS)))
        assert [c.text for c in completions] == [f"answer to idea {i}" for i in range(IDEAS)]
        print("done", journal.replayed, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
