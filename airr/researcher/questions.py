"""What the ideator asks a model: a strategy's request, with the whole codebase, as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airr.config import Metric, Role
from airr.llm.protocol import Message, Purpose, Request
from airr.prompts import Prompts, numbered
from airr.records import Scored, Trial
from airr.researcher.blocks import parse_blocks
from airr.researcher.strategy import IdeaRequest


class Questions:
    """Composes the requests for ideas of one environment."""

    def __init__(
        self,
        *,
        task: str,
        codebase: Mapping[str, str],
        metric: Metric,
        role: Role,
        prompts: Prompts,
        seed: int,
    ) -> None:
        """Show the whole codebase in every request, line numbers and all."""
        self._metric = metric
        self._role = role
        self._prompts = prompts
        self._seed = seed
        self._shared = {
            "task": task,
            "files": {path: numbered(text) for path, text in sorted(codebase.items())},
        }

    def first(
        self,
        request: IdeaRequest,
        number: int,
        epoch: int,
        baseline: str,
        tried: Sequence[str],
    ) -> Request:
        """Return the opening of a conversation; `baseline` is what its prompt says of the score."""
        variables = {
            "origin": str(request.origin),
            "count": request.count,
            "metric": self._metric,
            "baseline": baseline,
            "shown": [self._shown(trial) for trial in request.shown],
        }
        prompt = self._prompts.render(f"ideate/{request.origin}.j2", variables)
        return Request(
            id=f"e{epoch:02d}/{request.origin}-{number}",
            purpose=Purpose.IDEATE,
            model=self._role.model,
            system=self._prompts.render("ideate/system.j2", self._shared),
            messages=(Message("user", prompt),),
            temperature=self._role.temperature,
            max_tokens=self._role.max_tokens,
            thinking_tokens=self._role.thinking_tokens,
            seed=self._seed,
            variables={**variables, "tried": list(tried)},
        )

    def for_the_rest(
        self, last: Request, answer: str, round_number: int, missing: int, repeated: Sequence[str]
    ) -> Request:
        """Return the same conversation, `answer` added, with a request for what is missing."""
        variables = {"count": missing, "repeated": list(repeated)}
        tried = [*last.variables["tried"], *(block.text for block in parse_blocks(answer))]
        return Request(
            id=f"{last.id.partition('#')[0]}#{round_number}",
            purpose=last.purpose,
            model=last.model,
            system=last.system,
            messages=(
                *last.messages,
                Message("assistant", answer or "(no answer)"),
                Message("user", self._prompts.render("ideate/more.j2", variables)),
            ),
            temperature=last.temperature,
            max_tokens=last.max_tokens,
            thinking_tokens=last.thinking_tokens,
            seed=last.seed,
            variables={**last.variables, **variables, "tried": tried},
        )

    def _shown(self, trial: Trial) -> dict[str, str]:
        """Return what a prompt says of a past trial: its text, and its score or its failure."""
        outcome = trial.outcome
        if isinstance(outcome, Scored):
            result = f"{self._metric.name} {outcome.metric:.4f}"
        else:
            result = f"failed ({outcome.reason} while {outcome.stage})"
        return {"id": trial.idea.id, "text": trial.idea.text, "result": result}
