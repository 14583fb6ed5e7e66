"""Screenings and runs -> what each rung of a screen cost, and how well its order holds. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from airr.records import (
    BASELINE,
    FAILED,
    SCORED,
    Dropped,
    Outcome,
    Run,
    Scored,
    Screening,
    Stage,
)
from airr.reporting.tree import RungFacts
from airr.screens import in_words
from airr.significance import rank_correlation
from airr.summary import gpu_hours_of


def screen_of(
    env: str, screens: Sequence[Screening], runs: Sequence[Run], outcomes: Mapping[str, Outcome]
) -> tuple[RungFacts, ...]:
    """Return the rungs of a campaign's screen, the first one first; none of one without a screen.

    `env` is the environment of full runs; `outcomes` are one for each idea, by its id.
    """
    by_rung: dict[int, dict[str, Screening]] = defaultdict(dict)
    for one in screens:
        by_rung[one.rung][one.idea_id] = one
    return tuple(
        _facts(env, by_rung[rung], by_rung.get(rung + 1, {}), runs, outcomes)
        for rung in sorted(by_rung)
    )


def _facts(
    env: str,
    own: Mapping[str, Screening],
    after: Collection[str],
    runs: Sequence[Run],
    outcomes: Mapping[str, Outcome],
) -> RungFacts:
    """Return a rung's facts; `after` are who has been tried at the next one."""
    any_of_it = next(iter(own.values()))
    tried = {key: one for key, one in own.items() if key != BASELINE}
    its_runs = [run for run in runs if run.rung == any_of_it.rung]
    fates = Counter(_fate(one, after, outcomes.get(key)) for key, one in tried.items())
    scores = {key: score for key, one in tried.items() if (score := _score(one)) is not None}
    full = {key: one.metric for key in scores if isinstance(one := outcomes.get(key), Scored)}
    found = rank_correlation([scores[key] for key in full], [*full.values()])
    return RungFacts(
        rung=any_of_it.rung,
        name=in_words(any_of_it.share, any_of_it.env if any_of_it.env != env else ""),
        env=any_of_it.env,
        share=any_of_it.share,
        gpu_hours=gpu_hours_of(its_runs),
        train_seconds=sum(run.train_seconds for run in its_runs),
        tried=len(tried),
        failed=fates["failed"],
        dropped=fates["dropped"],
        promoted=fates["promoted"],
        waiting=fates["waiting"],
        baseline=_score(own[BASELINE]) if BASELINE in own else None,
        scores=scores,
        pairs=len(full),
        rank_correlation=found[0] if found else None,
        p_value=found[1] if found else None,
    )


def _score(screening: Screening) -> float | None:
    """Return the score at a rung; one that is withheld is none."""
    return screening.metric if screening.status == SCORED else None


def _fate(screening: Screening, after: Collection[str], outcome: Outcome | None) -> str:
    """Return what became of an idea at its rung: the name of the field that counts it."""
    if screening.status == FAILED:
        return "failed"
    if screening.idea_id in after:
        return "promoted"
    match outcome:
        case None:
            return "waiting"
        case Dropped(stage=Stage.SCREEN):
            return "dropped"
        case _:
            return "promoted"
