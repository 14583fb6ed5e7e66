"""The ledger's rows -> a run of wandb for each outcome: an idea's codebase, with one seed. Pure.

Texts and numbers of candidates are their own word: they are bounded, and named `reported/`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airr.config import Metric
from airr.estimates import baseline_of
from airr.plain import plain
from airr.records import (
    BASELINE,
    DROPPED,
    SCORED,
    Idea,
    Outcome,
    OutcomeRow,
    Patch,
    Run,
    RunKey,
    Scored,
    outcomes_of,
)
from airr.reporting.costs import Costs
from airr.reporting.curves import curve_of
from airr.reporting.projection import Rows, Subject
from airr.titles import Title, titles_of
from airr.tracking.mirrored import History, MirroredRun

LONGEST_TEXT = 4000
"""Characters of an idea in a run's config; the file idea.txt has all of it."""


def key_of(row: OutcomeRow) -> RunKey:
    """Return which run of a codebase gave an outcome."""
    return RunKey(idea_id=row.idea_id, repeat=row.repeat, attempt=row.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiments:
    """What a campaign's outcomes are told with; `uid` is the campaign's, and makes ids unique."""

    subject: Subject
    uid: str
    ideas: Mapping[str, Idea]
    titles: Mapping[str, Title]
    patches: Mapping[str, Sequence[Patch]]
    runs: Mapping[str, Run]
    costs: Costs
    baseline: Outcome | None
    outcomes: Sequence[OutcomeRow] = field(repr=False)

    @classmethod
    def of(cls, subject: Subject, uid: str, rows: Rows) -> Experiments:
        """Return the experiments of a campaign."""
        patches: dict[str, list[Patch]] = defaultdict(list)
        for patch in rows.patches:
            patches[patch.idea_id].append(patch)
        return cls(
            subject=subject,
            uid=uid,
            ideas={idea.id: idea for idea in rows.ideas},
            titles=titles_of({idea.id: idea.text for idea in rows.ideas}),
            patches=patches,
            runs={run.id: run for run in rows.runs},
            costs=Costs.of(rows.ideas, rows.calls, rows.runs),
            baseline=baseline_of(outcomes_of(rows.outcomes)),
            outcomes=rows.outcomes,
        )

    def run_of(self, row: OutcomeRow) -> Run | None:
        """Return the run that gave an outcome; None where nothing came to run."""
        return self.runs.get(key_of(row).name)

    def mirrored(self, row: OutcomeRow, log: str) -> MirroredRun:
        """Return an outcome as a run of wandb; `log` is what its training wrote, if kept."""
        key, idea, shown = key_of(row), self.ideas.get(row.idea_id), plain(log or row.log_tail)
        curve = curve_of(shown)
        history = History(
            step="step",
            rows=tuple(
                {"step": step, f"reported/{curve.name}": value}
                for step, value in zip(curve.steps, curve.values, strict=True)
            )
            if curve
            else (),
        )
        return MirroredRun(
            id=f"{self.uid}-{key.name}",
            name=f"{row.idea_id} seed +{row.repeat}" if row.repeat else row.idea_id,
            group=self.subject.name,
            job_type=f"epoch {idea.epoch:02d}" if idea else BASELINE,
            notes=self.titles[idea.id].within() if idea else "the unmodified codebase",
            config=self._config(row, idea),
            summary=_summary(row, self.baseline, self.subject.metric) | self._spent(row, idea),
            histories=(history,) if history.rows else (),
            files=self._files(idea),
            log=shown,
            failed=row.status not in (SCORED, DROPPED),
        )

    def _config(self, row: OutcomeRow, idea: Idea | None) -> dict[str, Any]:
        run = self.run_of(row)
        config: dict[str, Any] = {
            "campaign": self.subject.name,
            "env": self.subject.env,
            "strategy": self.subject.strategy,
            "idea": row.idea_id,
            "repeat": row.repeat,
            "attempt": row.attempt,
            "scorer": row.scorer_version,
        }
        if idea:
            config |= {
                "epoch": idea.epoch,
                "origin": str(idea.origin),
                "parents": list(idea.parents),
                "base": idea.base,
                "ideator": idea.model,
                "text": plain(idea.text)[:LONGEST_TEXT],
            }
        if run:
            config |= {
                "seed": run.seed,
                "node": run.node,
                "job": run.job_id,
                "codebase_sha256": run.codebase_sha256,
                "started_at": run.started_at.isoformat() if run.started_at else None,
                "ended_at": run.ended_at.isoformat(),
            }
        return config

    def _spent(self, row: OutcomeRow, idea: Idea | None) -> dict[str, float | str]:
        """Return what an idea cost; its calls count with its first seed."""
        run = self.run_of(row)
        spent: dict[str, float | str] = {"gpu_hours": run.gpu_seconds / 3600 if run else 0.0}
        if idea and row.repeat == 0:
            spent["usd"] = self.costs.of_idea(idea.id).usd
        return spent

    def _files(self, idea: Idea | None) -> dict[str, str]:
        """Return an idea's text, and the diff that was run, or the last one that was refused."""
        if idea is None:
            return {}
        files = {"idea.txt": plain(idea.text) + "\n"}
        patches = self.patches.get(idea.id, ())
        applied = [patch for patch in patches if patch.applied]
        if applied:
            files["patch.diff"] = applied[-1].diff
        elif patches:
            files["refused.diff"] = patches[-1].diff
        return files


def _summary(row: OutcomeRow, baseline: Outcome | None, metric: Metric) -> dict[str, float | str]:
    """Return what came of a run. What has no score has none here: no number stands for that."""
    summary: dict[str, float | str] = {
        "status": row.status,
        "train_seconds": row.train_seconds,
        "score_seconds": row.score_seconds,
        "wall_seconds": row.wall_seconds,
    }
    summary |= {
        f"reported/{name}": value for name, value in row.reported.items() if math.isfinite(value)
    }
    if row.status != SCORED or row.metric is None:
        summary |= {"stage": str(row.stage), "reason": str(row.reason)}
        summary["why"] = plain(row.detail)[:LONGEST_TEXT]
        return summary
    summary |= {metric.name: row.metric, "reward": row.reward}
    if row.standard_error is not None:
        summary["standard_error"] = row.standard_error
    if isinstance(baseline, Scored):
        summary["gain"] = metric.gain(row.metric, baseline.metric)
    return summary
