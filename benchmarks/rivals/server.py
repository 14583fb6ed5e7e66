"""A model on this machine that OpenEvolve, ShinkaEvolve and airr can all work with: LATENCY.

Prints its URL; when standard input ends, how many answers for a candidate it gave.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.llm.loopback import Asked, Loopback, Reply
from tests.llm.toy_model import is_ideation

PROPOSE = re.compile(r"Propose (\d+)")
IDEA = "[Experiment] Take step {0}.\n[Code Changes] initial.py: step {0}\n[End]"
CANDIDATE = """\
<NAME>
step_{0}
</NAME>
<DESCRIPTION>
Take step {0}.
</DESCRIPTION>
<DIFF>
initial.py
<<<<<<< SEARCH
def value():
=======
def value():
    step = {0}
>>>>>>> REPLACE
</DIFF>
"""


def main() -> None:
    """Serve until standard input ends."""
    latency = float(sys.argv[1])
    ideas, candidates = itertools.count(), itertools.count()

    def answer(asked: Asked) -> Reply:
        if is_ideation(asked):
            count = int(PROPOSE.findall(asked.prompt)[-1])
            text = "\n\n".join(IDEA.format(next(ideas)) for _ in range(count))
        else:
            text = CANDIDATE.format(next(candidates))
        return Reply(text=text, prefill_seconds=latency)

    with Loopback(answer, key=None) as loopback:
        print(loopback.url, flush=True)
        sys.stdin.read()
        given = sum(not is_ideation(asked) for asked in loopback.billed_requests)
    print(given, flush=True)


if __name__ == "__main__":
    main()
