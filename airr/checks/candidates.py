"""The candidates by which an environment is tried: patches whose outcome is known beforehand.

They come as diffs and go the way of a model's answers: through the gates, the preflight, a run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from airr.checks.contract import entry_program
from airr.config import Env
from airr.executor.codebases import Tree
from airr.executor.diffs import unified_diff
from airr.llm.catalogue import Entry
from airr.llm.protocol import Completion, Request, StopReason, Usage
from airr.records import Idea, Origin

NO_OPS = {
    ".py": "UNUSED = None",  # a comment alone would be refused as an empty patch
    ".sh": "# this line changes nothing",
    ".toml": "# this line changes nothing",
    ".yaml": "# this line changes nothing",
    ".yml": "# this line changes nothing",
}
"""What may be added to a file by its suffix, and changes nothing."""


class Expected(StrEnum):
    """What a candidate's outcome must be."""

    SAME = "same"
    """The baseline's score."""
    NOTHING = "nothing"
    """Failed, for want of a checkpoint."""
    NO_GAIN = "no_gain"
    """Failed for whatever reason, or no better than the baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One such patch. `answer` is what an implementer would have said."""

    name: str
    what: str
    answer: str
    expected: Expected

    def idea(self) -> Idea:
        """Return the candidate as an idea that an executor takes."""
        return Idea(
            id=self.name,
            epoch=0,
            text=self.what,
            origin=Origin.FRESH,
            parents=(),
            model=Prepared.name,
            thinking_tokens=0,
            idea_tokens=0,
            prompt_hash="",
            call_id="",
            created_at=datetime.now(UTC),
        )


class Prepared:
    """A `Provider` that answers with the diffs of these candidates; no model is asked."""

    name = "self-test"

    def __init__(self, candidates: Collection[Candidate]) -> None:
        """Know the candidates by their words."""
        self._answers = {candidate.what: candidate.answer for candidate in candidates}

    async def complete(self, request: Request) -> Completion:
        """Answer the request to implement one of them."""
        return Completion(
            text=self._answers[request.variables["idea"]],
            thinking="",
            stop_reason=StopReason.END,
            model=self.name,
            usage=Usage(),
        )


def candidates_for(env: Env, codebase: Tree, entries: Sequence[Entry]) -> tuple[Candidate, ...]:
    """Return what an environment is tried with; what cannot be made for it is left out."""
    program = entry_program(env, codebase)
    known = [path for path in _editable(env, codebase) if _suffix(path) in NO_OPS]
    made: list[Candidate] = []
    if known:
        path = program if program in known else known[0]
        line = NO_OPS[_suffix(path)]
        after = {**codebase, path: f"{codebase[path].rstrip()}\n\n{line}\n"}
        what = f"`{line}` at the end of {path}"
        made.append(_candidate("no-op", what, unified_diff(codebase, after), Expected.SAME))
    if program in known:
        after = {**codebase, program: "# this program trains nothing\n"}
        what = f"{program} that does nothing"
        made.append(_candidate("empty", what, unified_diff(codebase, after), Expected.NOTHING))
    for entry in entries:
        if entry.cheat:
            diff = entry.default().fill(entry.diff)
            made.append(_candidate(entry.slug, entry.title, diff, Expected.NO_GAIN))
    return tuple(made)


def _candidate(name: str, what: str, diff: str, expected: Expected) -> Candidate:
    answer = f"```diff\n{diff.rstrip()}\n```"
    return Candidate(name=name, what=what, answer=answer, expected=expected)


def _editable(env: Env, codebase: Tree) -> list[str]:
    return [p for p in sorted(codebase) if any(fnmatchcase(p, glob) for glob in env.editable)]


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix
