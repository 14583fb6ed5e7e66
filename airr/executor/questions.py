"""What the implementer asks a model: an idea, with the whole codebase, as words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airr.config import Env, Implement, Role
from airr.executor.codebases import Parent, Tree
from airr.llm.protocol import Completion, Message, Purpose, Request
from airr.prompts import Prompts, numbered
from airr.records import BASELINE, Idea, Patch, Run

TURN = 2
"""Messages of a revision: the answer, and what was wrong with it."""
SYSTEMS_KEPT = 16
"""Codebases of which the system prompt is kept: samples and revisions of an idea share it."""
RETRY_SEED = 1000
"""Added to the seed of a question that is asked again: more than there are samples."""


class Questions:
    """Composes the requests for patches of one environment's baseline."""

    def __init__(  # noqa: PLR0913 - what a prompt is made of
        self,
        *,
        env: Env,
        task: str,
        baseline: Tree,
        role: Role,
        how: Implement,
        prompts: Prompts,
        seed: int,
    ) -> None:
        """Show the whole codebase in every request, line numbers and all.

        Where an idea has several samples, they share its words too in a prompt cache.
        """
        self._is_shared = how.samples > 1
        self._baseline = baseline
        self._role = role
        self._prompts = prompts
        self._seed = seed
        self._shared = {
            "task": task,
            "editable": env.editable,
            "reserved": env.reserved(baseline),
            "format": how.format,
        }
        self._systems: dict[str, str] = {}

    def first(self, idea: Idea, sample: int, parent: Parent | None = None) -> Request:
        """Return the request for a sample's first patch of an idea, on its parent if it has one."""
        built_on = parent.idea if parent else None
        asked = self._prompts.render("implement/write.j2", {"idea": idea, "parent": built_on})
        return Request(
            id=_first_id(idea, sample),
            purpose=Purpose.IMPLEMENT,
            model=self._role.model,
            system=self._system(parent),
            messages=(Message("user", asked, cache_until_here=self._is_shared),),
            temperature=self._role.temperature,
            max_tokens=self._role.max_tokens,
            thinking_tokens=self._role.thinking_tokens,
            seed=self._seed + sample,
            variables={
                "idea": idea.text,
                "built_on": built_on.text if built_on else "",
                "revision": 0,
                "tree": parent.tree if parent else self._baseline,
            },
            may_wait=True,
        )

    def firsts(self, idea: Idea, samples: int, parent: Parent | None = None) -> list[Request]:
        """Return the first requests of so many samples of an idea, which share their words."""
        one = self.first(idea, 0, parent)
        return [
            replace(one, id=_first_id(idea, sample), seed=self._seed + sample)
            for sample in range(samples)
        ]

    def _system(self, parent: Parent | None) -> str:
        """Return the prompt with the whole codebase, which takes a while to put together."""
        of = parent.idea.id if parent else BASELINE
        if of not in self._systems:
            tree = parent.tree if parent else self._baseline
            if len(self._systems) == SYSTEMS_KEPT:
                del self._systems[next(iter(self._systems))]
            self._systems[of] = self._prompts.render(
                "implement/system.j2", self._shared | _shown(tree)
            )
        return self._systems[of]

    def revised(self, last: Request, answer: Completion, patch: Patch) -> Request:
        """Return the same conversation, `answer` added, with what is wrong with its patch.

        Where there is no answer to go on from, the same is asked again, to be answered anew.
        """
        revision = patch.revision + 1
        again = replace(
            last,
            id=f"{last.id.rpartition('/')[0]}/r{revision}",
            variables={**last.variables, "revision": revision},
            may_wait=False,
        )
        if answer.is_void:
            return replace(again, seed=last.seed + RETRY_SEED)
        asked = self._prompts.render("implement/revise.j2", {"patch": patch})
        turn = (Message("assistant", answer.text), Message("user", asked))
        return replace(again, messages=(*last.messages, *turn))

    def mending(
        self, idea: Idea, patch: Patch, crash: Run, parent: Parent | None = None
    ) -> Request:
        """Return what asks for a patch in place of one that passed, was run, and crashed."""
        revision = patch.revision + 1
        first = self.first(idea, patch.sample, parent)
        asked = self._prompts.render(
            "implement/mend.j2", {"crash": crash, "seconds": f"{crash.train_seconds:.0f}"}
        )
        turn = (Message("assistant", f"```diff\n{patch.diff}```"), Message("user", asked))
        return replace(
            first,
            id=f"{first.id.rpartition('/')[0]}/r{revision}",
            messages=(*first.messages, *turn),
            variables={**first.variables, "revision": revision},
        )

    def shortened(self, request: Request) -> Request | None:
        """Return the request without its oldest revision, or None if it has but one, or none."""
        idea, *turns = request.messages
        if len(turns) <= TURN:
            return None
        dropped = request.left_out.count("revision") + 1
        return replace(
            request,
            messages=(idea, *turns[TURN:]),
            left_out=", ".join(f"revision {number}" for number in range(dropped)),
        )


def _first_id(idea: Idea, sample: int) -> str:
    return f"{idea.id}/s{sample}/r0"


def _shown(tree: Tree) -> dict[str, Any]:
    return {"files": {path: numbered(text) for path, text in sorted(tree.items())}}
