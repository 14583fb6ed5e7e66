"""A charter and what stands in the ledger -> what is left to do, and what it may cost. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airr.charter import Charter
from airr.cohorts import cohorts
from airr.config import Metric
from airr.estimates import Seeding
from airr.forecast import Left, hours_of, left_of, policy_hours
from airr.records import Idea, Outcome, Screening, Wanted
from airr.screens import Halving, SoFar


def size_of(charter: Charter) -> tuple[int, int]:
    """Return how many epochs a campaign is to have, and how many ideas an epoch.

    Raises:
        WorkspaceError: the charter is damaged.
    """
    return charter.size("search.epochs", least=1), charter.size("search.ideas_per_epoch", least=1)


def left_by(
    charter: Charter,
    metric: Metric,
    ideas: Collection[Idea],
    outcomes: Mapping[Wanted, Outcome],
    screens: Sequence[Screening],
) -> Left:
    """Return what is left to do by the settings that a campaign was started with.

    Raises:
        WorkspaceError: the charter is damaged.
    """
    seeding = Seeding(  # campaigns of before these settings had one seed of everything
        baseline_seeds=charter.size("search.baseline_seeds", 1),
        repeats=charter.size("search.repeats", 0),
        caution=charter.setting("search.caution", float),
    )
    return left_of(
        cohorts(*size_of(charter), charter.size("search.refill", 0)),
        list(ideas),
        outcomes,
        seeding=seeding,
        metric=metric,
        screen=_screen(charter, metric, screens),
    )


def _screen(charter: Charter, metric: Metric, rows: Sequence[Screening]) -> SoFar | None:
    rungs = charter.numbers("search.screen.rungs")
    if not rungs:
        return None
    promote = charter.setting("search.screen.promote", float)
    halving = Halving(rungs=rungs, promote=promote, metric=metric)
    return SoFar(halving=halving, found={(one.idea_id, one.rung): one for one in rows})


def gpu_hours_to_come(charter: Charter, left: Left, updates: int) -> float:
    """Return the GPU-hours that are left to spend at most, on runs and so many updates of a policy.

    Raises:
        WorkspaceError: the charter is damaged.
    """
    ordinary, screen = _sizes(charter, "env"), charter.section("search.screen.env")
    tried = _sizes(charter, "search.screen.env") if screen else ordinary
    hours = hours_of(left.most_runs, **ordinary).gpu_most
    for share, runs in zip(charter.numbers("search.screen.rungs"), left.screens, strict=True):
        shorter = {**tried, "budget_seconds": share * tried["budget_seconds"]}
        hours += hours_of(sum(runs), **shorter).gpu_most
    return hours + (_hours_of_policy(charter, updates) if updates else 0.0)


def _hours_of_policy(charter: Charter, updates: int) -> float:
    """Return what the jobs on a policy may take at most."""
    return policy_hours(
        updates,
        nodes=charter.size("policy.nodes"),
        gpus=charter.size("policy.gpus"),
        sample_seconds=charter.setting("policy.sample_seconds", float),
        update_seconds=charter.setting("policy.update_seconds", float),
    )


def _sizes(charter: Charter, at: str) -> dict[str, Any]:
    """Return what a run takes, by the settings of an environment."""
    return {
        "nodes": charter.size(f"{at}.nodes"),
        "gpus": charter.size(f"{at}.gpus"),
        "budget_seconds": charter.setting(f"{at}.budget_seconds", float),
        "score_seconds": charter.setting(f"{at}.score_seconds", float),
    }
