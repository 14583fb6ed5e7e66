"""What the implementer asks a model: an idea, with the whole codebase, as words."""

from __future__ import annotations

from dataclasses import replace

from airr.config import Env, Role
from airr.executor.codebases import Tree
from airr.llm.protocol import Message, Purpose, Request
from airr.prompts import Prompts, numbered
from airr.records import Idea, Patch


class Questions:
    """Composes the requests for patches of one environment's baseline."""

    def __init__(
        self, *, env: Env, task: str, baseline: Tree, role: Role, prompts: Prompts, seed: int
    ) -> None:
        """Show the whole baseline in every request, line numbers and all."""
        self._baseline = baseline
        self._role = role
        self._prompts = prompts
        self._seed = seed
        self._shared = {
            "task": task,
            "files": {path: numbered(text) for path, text in sorted(baseline.items())},
            "editable": env.editable,
        }

    def first(self, idea: Idea, sample: int) -> Request:
        """Return the request for a sample's first patch of an idea."""
        asked = self._prompts.render("implement/write.j2", {"idea": idea})
        return Request(
            id=f"{idea.id}/s{sample}/r0",
            purpose=Purpose.IMPLEMENT,
            model=self._role.model,
            system=self._prompts.render("implement/system.j2", self._shared),
            messages=(Message("user", asked),),
            temperature=self._role.temperature,
            max_tokens=self._role.max_tokens,
            thinking_tokens=self._role.thinking_tokens,
            seed=self._seed + sample,
            variables={"idea": idea.text, "revision": 0, "tree": self._baseline},
        )

    def revised(self, last: Request, answer: str, patch: Patch) -> Request:
        """Return the same conversation, `answer` added, with what is wrong with its patch."""
        revision = patch.revision + 1
        asked = self._prompts.render("implement/revise.j2", {"patch": patch})
        return replace(
            last,
            id=f"{last.id.rpartition('/')[0]}/r{revision}",
            messages=(
                *last.messages,
                Message("assistant", answer or "(no answer)"),
                Message("user", asked),
            ),
            variables={**last.variables, "revision": revision},
        )
