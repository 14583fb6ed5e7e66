"""Campaign folders for reports: a charter and a ledger, without anything having run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from airr.charter import Charter
from airr.ledger import Ledger
from airr.records import (
    BASELINE,
    Call,
    Dropped,
    Idea,
    Patch,
    Reason,
    Screening,
    Stage,
    Update,
    Withheld,
    row_of,
)
from airr.workspace import Workspace
from tests.builders import NOON, failed, idea, run, scored

METRIC = {
    "name": "val_loss",
    "unit": "nats/token",
    "direction": "minimize",
    "reward": "inverse",
    "plausible": [0.5, 6.0],
    "jump": 4,
}

SIZE = {"nodes": 1, "gpus": 1, "budget_seconds": 60.0, "score_seconds": 20.0}

DIFF = """diff --git a/model.py b/model.py
--- a/model.py
+++ b/model.py
@@ -1,2 +1,2 @@
-width = 64
+width = 128
 depth = 2
"""

HOSTILE = (
    '[Experiment] </script><script>window.hacked = 1</script><img src="https://evil.example/x" '
    'onerror="window.hacked = 2"> &amp; <!-- <b>bold</b> \u202e\n[Code Changes] `\'"]]>'
)


UPDATE = Update(
    epoch=0, rollouts=4, late=0, reward_mean=0.25, reward_max=0.5, loss=0.1, grad_norm=1.0,
    entropy=0.5, kl=0.125, clipped=0.0, tokens=100, sample_seconds=40.0, update_seconds=5.0,
    gpu_seconds=7200.0, created_at=NOON,
)  # fmt: skip


def call(call_id: str, purpose: str = "implement", **fields: Any) -> Call:
    plain: dict[str, Any] = {
        "id": call_id, "purpose": purpose, "provider": "anthropic", "model": "m",
        "prompt_hash": "0", "stop_reason": "end", "left_out": "", "input_tokens": 1000,
        "cache_read_tokens": 0, "cache_write_tokens": 0, "output_tokens": 500,
        "thinking_tokens": 0, "usd": 0.25, "latency_seconds": 1.0, "created_at": NOON,
    }  # fmt: skip
    return Call(**plain | fields)


def patch(idea_id: str, **fields: Any) -> Patch:
    plain: dict[str, Any] = {
        "idea_id": idea_id, "sample": 0, "revision": 0, "mends": None, "applied": True,
        "stage": None, "reason": None, "detail": "", "diff": DIFF, "files_changed": 1,
        "lines_added": 1, "lines_removed": 1, "preflight_seconds": 1.0, "model": "m",
        "call_id": f"{idea_id}/s0/r0", "created_at": NOON,
    }  # fmt: skip
    return Patch(**plain | fields)


def withheld(idea_id: str) -> Withheld:
    return Withheld(
        idea_id=idea_id, repeat=0, attempt=0, reason=Reason.IMPLAUSIBLE, detail="too good",
        metric=0.1, standard_error=0.01, train_seconds=8.0, score_seconds=2.0, wall_seconds=11.0,
        log_tail="", scorer_version="1", ended_at=NOON,
    )  # fmt: skip


def campaign(folder: Path, rows: Sequence[Any], *, is_search: bool = True) -> Workspace:
    role = {"model": "m", "provider": "anthropic"}
    config: dict[str, Any] = {
        "campaign": folder.name,
        "env": {"name": "toy", "title": "a toy", "metric": METRIC} | SIZE,
        "llm": {"ideator": role, "implementer": role},
        "cluster": {"scheduler": "local"},
    }
    if is_search:
        search = {"name": "evolution", "epochs": 2, "ideas_per_epoch": 4, "caution": 0.0}
        config["search"] = search
    return campaign_of(folder, config, rows)


def campaign_of(folder: Path, config: Mapping[str, Any], rows: Sequence[Any]) -> Workspace:
    """Make a campaign folder of these settings and rows."""
    charter = Charter(uid="abc123", airr_version="0", env_sha256="0", config=config)
    workspace = Workspace(folder)
    workspace.create()
    workspace.config.write_text(charter.to_yaml())
    Ledger(workspace.ledger).append(rows)
    return workspace


def repeated(folder: Path) -> Workspace:
    """The same again, with three seeds of the best idea and two of the baseline."""
    workspace = small(folder)
    more = [
        scored("e01-i000", 1.79, repeat=1),
        scored("e01-i000", 1.84, repeat=2),
        scored(BASELINE, 2.02, repeat=1),
    ]
    Ledger(workspace.ledger).append([row_of(one) for one in more])
    return workspace


def screening(idea_id: str, rung: int, metric: float | None, **fields: Any) -> Screening:
    status = "failed" if metric is None else "scored"
    plain: dict[str, Any] = {
        "idea_id": idea_id, "rung": rung, "attempt": 0, "env": "toy", "share": (0.1, 0.3)[rung],
        "budget_seconds": 6.0, "status": status, "stage": None, "reason": None, "detail": "",
        "metric": metric, "standard_error": None, "train_seconds": 6.0, "score_seconds": 1.0,
        "wall_seconds": 8.0, "ended_at": NOON,
    }  # fmt: skip
    return Screening(**plain | fields)


def dropped(idea_id: str, reason: Reason = Reason.OUTRANKED) -> Dropped:
    return Dropped(
        idea_id=idea_id, stage=Stage.SCREEN, reason=reason, detail="rank 4 of 4", ended_at=NOON
    )


def screened(folder: Path) -> Workspace:
    """A campaign with two rungs: three ideas had full runs, one still waits at the second rung."""
    ids = [f"e00-i{number:03d}" for number in range(8)]
    first = dict(zip(ids, (3.0, 3.1, 3.2, None, 3.5, 0.6, 3.3, 3.4), strict=True))
    second = dict(zip((*ids[:3], *ids[6:]), (2.5, 2.4, 2.6, 2.9, 2.7), strict=True))
    doubted = {"status": "withheld"}
    screens = [
        screening(BASELINE, 0, 3.15),
        screening(BASELINE, 1, 2.55),
        *(screening(key, 0, one, **doubted if one == 0.6 else {}) for key, one in first.items()),
        *(screening(key, 1, one) for key, one in second.items()),
    ]
    outcomes = [
        *(scored(key, one) for key, one in zip(ids, (1.9, 1.8, 2.1), strict=False)),
        scored(BASELINE, 2.0),
        failed(ids[3]),
        dropped(ids[4]),
        dropped(ids[5], Reason.IMPLAUSIBLE),
        dropped(ids[6]),
    ]
    runs = [run(one.idea_id, rung=one.rung, gpu_seconds=360.0) for one in screens]
    full = [run(one, gpu_seconds=3600.0) for one in (BASELINE, *ids[:3])]
    ideas = [idea(number) for number in range(8)]
    return campaign(folder, [*ideas, *screens, *map(row_of, outcomes), *runs, *full])


def trained(folder: Path) -> Workspace:
    """The same, as if a policy had proposed it, with its update after the first epoch."""
    workspace = small(folder)
    Ledger(workspace.ledger).append([UPDATE])
    raw = yaml.safe_load(workspace.config.read_text())
    jobs = {"nodes": 2, "gpus": 4, "sample_seconds": 600, "update_seconds": 300}
    raw["config"] |= {"rl": {"epochs": 3}, "policy": {"name": "tiny"} | jobs}
    workspace.config.write_text(yaml.safe_dump(raw))
    return workspace


def log_of(steps: int) -> str:
    return "".join(f"step {n}/{steps}  loss {4 - n / steps:.4f}  lr 1e-3\n" for n in range(steps))


def small(folder: Path) -> Workspace:
    """Two epochs with every fate in them; the baseline is 2.0 and every error 0.01."""
    ideas = [
        idea(0, call_id="e00/fresh-0"),
        idea(1, text=HOSTILE, call_id="e00/fresh-0"),
        idea(2, call_id="e00/fresh-0"),
        idea(3, call_id="e00/fresh-0"),
        idea(0, 1, parents=("e00-i000", "e00-i002"), base="e00-i000", call_id="e01/exploit-0"),
        idea(1, 1, parents=("e00-i000",), call_id="e01/exploit-0"),
        idea(2, 1, call_id="e01/exploit-0"),
        idea(3, 1, call_id="e01/exploit-0"),
    ]
    outcomes = [
        scored(BASELINE, 2.0),
        scored("e00-i000", 1.9, log_tail=log_of(20)),
        failed("e00-i001", Reason.CRASH, detail="<script>window.hacked = 3</script>"),
        scored("e00-i002", 1.99),
        failed("e00-i003", Reason.NO_PATCH, stage=Stage.IMPLEMENT),
        scored("e01-i000", 1.8),
        scored("e01-i001", 2.5),
        withheld("e01-i002"),
    ]
    ran = [one.idea_id for one in outcomes if one.idea_id != "e00-i003"]
    runs = [
        run(one, gpu_seconds=3600.0, ended_at=NOON + timedelta(minutes=place), batch="b0")
        for place, one in enumerate(ran)
    ]
    refused = patch(
        "e00-i003", applied=False, stage=Stage.IMPLEMENT, reason=Reason.NO_PATCH, detail="no diff"
    )
    patches = [refused, *(patch(one) for one in ran if one != BASELINE)]
    calls = [
        call("e00/fresh-0", "ideate", usd=0.4),
        call("e01/exploit-0", "ideate", usd=None),
        *(call(f"{one.id}/s0/r0") for one in ideas),
    ]
    return campaign(folder, [*ideas, *map(row_of, outcomes), *runs, *patches, *calls])


def large(folder: Path, count: int, per_epoch: int = 100) -> Workspace:
    """As many ideas as a long campaign has, with texts, diffs and logs of a usual length."""
    words = "the gradient of each layer is scaled by a factor that decays with depth. " * 10
    ideas: list[Idea] = []
    outcomes: list[Any] = [scored(BASELINE, 2.0)]
    for number in range(count):
        epoch, place = divmod(number, per_epoch)
        parents = (f"e{epoch - 1:02d}-i{(place * 7) % per_epoch:03d}",) if epoch else ()
        one = idea(place, epoch, parents=parents, text=f"[Experiment] Idea {number}. {words}")
        ideas.append(one)
        if number % 5 == 4:
            outcomes.append(failed(one.id, detail="Traceback: boom", log_tail=log_of(40)))
        else:
            metric = 2.2 - 0.5 * ((number * 7919) % 1000) / 1000
            outcomes.append(scored(one.id, metric, log_tail=log_of(60)))
    diffs = [DIFF + f"+line = {number}  # more of it\n" * 60 for number in range(count)]
    patches = [patch(one.id, diff=diff) for one, diff in zip(ideas, diffs, strict=True)]
    runs = [run(one.idea_id, gpu_seconds=60.0) for one in outcomes]
    return campaign(folder, [*ideas, *map(row_of, outcomes), *runs, *patches])
