"""A model for the toy environment: it has ideas without end, and writes diffs, good and bad.

Like a real one it never answers twice alike. What becomes of an idea lies in its value.
"""

import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import replace

from tests.llm.loopback import Asked, Reply

IDEA = "[Experiment] Set VALUE to {0}.\n[Code Changes] recipe.py: VALUE = {0}\n[End]\n"
DIFF = """\
Here you go:

```diff
--- a/recipe.py
+++ b/recipe.py
@@ -1 +1 @@
-VALUE = {old}
+VALUE = {new}
```
"""


class ToyModel:
    """A script for the loopback server. `reply` may spoil or slow an answer down.

    Of five ideas, the first's diff does not match at first, and the second's code crashes at first;
    both are mended at the first revision.
    """

    def __init__(self, reply: Callable[[Asked, Reply], Reply] = lambda _, reply: reply) -> None:
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._reply = reply

    def __call__(self, asked: Asked) -> Reply:
        text = self._ideas(asked) if is_ideation(asked) else diff_for(asked)
        return self._reply(asked, Reply(text=text, thinking="Let me see. " * 40))

    def _ideas(self, asked: Asked) -> str:
        count = re.findall(r"Propose (\d+)", asked.prompt)[-1]
        with self._lock:
            values = [1.0 + next(self._numbers) / 1000 for _ in range(int(count))]
        return "\n".join(IDEA.format(f"{value:.3f}") for value in values)


def is_ideation(asked: Asked) -> bool:
    return "[Experiment]" in system_of(asked)


def system_of(asked: Asked) -> str:
    if asked.is_anthropic:
        return asked.body["system"][0]["text"]
    return asked.body["messages"][0]["content"]


def said_to(asked: Asked) -> str:
    """Return all of the conversation but the system prompt."""
    return str([turn for turn in asked.body["messages"] if turn["role"] != "system"])


def value_in(asked: Asked) -> str:
    match = re.search(r"Set VALUE to ([\d.]+)\.", said_to(asked))
    assert match, said_to(asked)
    return match[1]


def diff_for(asked: Asked) -> str:
    value = value_in(asked)
    kind, is_revision = round(float(value) * 1000) % 5, "That did not work" in said_to(asked)
    if kind == 0 and not is_revision:
        return DIFF.format(old="7.0", new=value)
    crashing = kind == 1 and not is_revision
    return DIFF.format(old="2.0", new=f"1 / 0  # {value}" if crashing else value)


def slowly(seconds: float) -> Callable[[Asked, Reply], Reply]:
    """Return what makes every answer take its time."""
    return lambda _, reply: replace(reply, seconds=seconds)
