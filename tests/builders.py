"""Records for tests, each with every field at a plain default."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airr.config import (
    Base,
    Direction,
    EarlyStopping,
    Implement,
    IslandsSettings,
    Metric,
    NoSettings,
    PatchFormat,
    RewardFormula,
    Role,
    ScreenSettings,
    Search,
    SteadySettings,
    TreeSettings,
)
from airr.records import (
    BASELINE,
    Failed,
    Idea,
    Origin,
    OutcomeRow,
    Reason,
    Run,
    RunState,
    Scored,
    Stage,
    Trial,
    row_of,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

LOSS = Metric(
    name="val_loss",
    unit="nats/token",
    direction=Direction.MINIMIZE,
    reward=RewardFormula.INVERSE,
    plausible=(0.5, 6.0),
    jump=4.0,
)

SEARCH = Search(
    name="evolution",
    epochs=3,
    ideas_per_epoch=8,
    ideas_per_call=10,
    history_in_prompt=100,
    similarity=0.9,
    base=Base.BASELINE,
    caution=0.0,
    repeats=0,
    baseline_seeds=1,
    overlap=0.0,
    screen=ScreenSettings(rungs=(), promote=0.5, env=None),
    early_stopping=EarlyStopping(quantile=None, from_share=0.3, curves=8),
    own=NoSettings(),
)
OWN = {
    "steady_state": SteadySettings(refill=1),
    "tree": TreeSettings(drafts=4, debug_share=0.25, debug_depth=2, breadth=2),
    "islands": IslandsSettings(
        islands=3, exploit_share=0.7, parents=2, migrate_every=2, migrants=1
    ),
}


def search_by(name: str, **fields: Any) -> Search:
    """Return the settings of a strategy, its own among them."""
    return replace(SEARCH, **{"name": name, "own": OWN.get(name, NoSettings())} | fields)


ROLE = Role(
    provider="scripted",
    base_url=None,
    concurrency=8,
    model="m",
    temperature=1.0,
    max_tokens=100,
    thinking_tokens=0,
)

IMPLEMENT = Implement(
    format=PatchFormat.UNIFIED,
    samples=1,
    revisions=2,
    repair_runs=1,
    repair_seconds=60.0,
    concurrent_ideas=1,
)


def idea(number: int = 0, epoch: int = 0, **fields: Any) -> Idea:
    defaults: dict[str, Any] = {
        "id": f"e{epoch:02d}-i{number:03d}",
        "epoch": epoch,
        "text": f"[Experiment] Idea number {number}.\n[Code Changes] Change {number}.",
        "origin": Origin.FRESH,
        "parents": (),
        "model": "offline",
        "thinking_tokens": 0,
        "idea_tokens": 0,
        "prompt_hash": "0" * 16,
        "call_id": f"e{epoch:02d}/fresh-0",
        "created_at": NOON,
    }
    return Idea(**defaults | fields)


def scored(idea_id: str, metric: float, **fields: Any) -> Scored:
    defaults: dict[str, Any] = {
        "idea_id": idea_id,
        "repeat": 0,
        "attempt": 0,
        "metric": metric,
        "standard_error": 0.01,
        "reward": 1 / metric,
        "train_seconds": 8.0,
        "score_seconds": 2.0,
        "wall_seconds": 11.0,
        "log_tail": "step 1/1",
        "scorer_version": "1",
        "ended_at": NOON,
    }
    return Scored(**defaults | fields)


def failed(idea_id: str, reason: Reason = Reason.CRASH, **fields: Any) -> Failed:
    defaults: dict[str, Any] = {
        "idea_id": idea_id,
        "repeat": 0,
        "attempt": 0,
        "stage": Stage.TRAIN,
        "reason": reason,
        "detail": "it ended",
        "ended_at": NOON,
    }
    return Failed(**defaults | fields)


def trial(number: int, metric: float | None, epoch: int = 0) -> Trial:
    """Return a scored trial, or a failed one where there is no metric."""
    one = idea(number, epoch)
    return Trial(idea=one, outcome=failed(one.id) if metric is None else scored(one.id, metric))


def outcome_row(idea_id: str, metric: float | None) -> OutcomeRow:
    return row_of(failed(idea_id) if metric is None else scored(idea_id, metric))


def run(idea_id: str, attempt: int = 0, **fields: Any) -> Run:
    defaults: dict[str, Any] = {
        "id": f"{idea_id}.r0.a{attempt}",
        "idea_id": idea_id,
        "repeat": 0,
        "attempt": attempt,
        "seed": 0,
        "codebase_sha256": "0" * 64,
        "batch": "airr-test-b0000",
        "job_id": "",
        "node": "node1",
        "state": RunState.COMPLETED,
        "stage": None,
        "reason": None,
        "detail": "",
        "train_seconds": 8.0,
        "submitted_at": NOON,
        "started_at": NOON,
        "ended_at": NOON,
        "gpu_seconds": 0.0,
    }
    return Run(**defaults | fields)


BASELINE_SCORE = scored(BASELINE, 2.0)
