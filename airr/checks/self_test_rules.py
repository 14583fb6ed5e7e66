"""Outcomes of the baseline and of candidates that are known beforehand -> findings. Pure."""

from __future__ import annotations

from airr.batch import Result
from airr.checks.candidates import Candidate, Expected
from airr.checks.finding import Finding, failed, ok, warning
from airr.config import Env, Metric
from airr.records import BASELINE, INFRASTRUCTURE, Failed, Outcome, Reason, Scored, how_it_ended
from airr.summary import Best, best_ideas

NO_FAULT_OF_ITS_OWN = INFRASTRUCTURE | {Reason.CANCELLED, Reason.UNSATISFIABLE}
STALE = {Reason.NO_PATCH, Reason.EMPTY_PATCH, Reason.SYNTAX}
"""How a diff ends that no longer fits the codebase: nothing was tried."""


def judge_preflight(result: Result, limit_seconds: float) -> Finding:
    """Judge the preflight of the unmodified codebase, which every patch will have to survive."""
    if result.metric is None:
        return failed(
            "preflight",
            f"the baseline fails it: {result.reason} while {result.stage}: {first(result.detail)}",
            "mend env.preflight or the codebase: no patch could pass",
        )
    seconds = result.train_seconds + result.score_seconds
    return ok("preflight", f"the baseline passes in {seconds:.1f} s (limit {limit_seconds:g} s)")


def judge_baseline(outcome: Outcome, env: Env) -> Finding:
    """Judge the run that every idea will be compared with."""
    if not isinstance(outcome, Scored):
        return failed(
            "baseline",
            f"{how_it_ended(outcome)}: {first(outcome.detail)}",
            f"mend codebase, scorer or settings of env={env.name}; its log is kept",
        )
    took = f"trained in {outcome.train_seconds:.0f} of {env.budget_seconds:g} s"
    scored = f"scored in {outcome.score_seconds:.0f} of {env.score_seconds:g} s"
    return ok("baseline", f"{env.metric.name} {_number(outcome)}; {took}, {scored}")


def judge_seeds(first_seed: Scored, second: Outcome) -> Finding:
    """Tell how far two seeds lie apart: what is smaller is no gain."""
    if not isinstance(second, Scored):
        found = f"another seed fails: {how_it_ended(second)}: {first(second.detail)}"
        return failed("seeds", found, "mend it: one baseline in two would fail")
    if second.metric == first_seed.metric:
        return warning(
            "seeds",
            "two seeds give the very same score, so that repetitions measure nothing",
            "take every random choice of training from AIRR_SEED",
        )
    apart = abs(second.metric - first_seed.metric)
    return ok("seeds", f"another seed gives {_number(second)}, {apart:.4f} apart")


def judge_candidate(
    candidate: Candidate, outcome: Outcome, baseline: Scored, second: Scored, metric: Metric
) -> Finding:
    """Judge one candidate; `second` is the baseline with another seed."""
    if isinstance(outcome, Failed) and outcome.reason in NO_FAULT_OF_ITS_OWN:
        found = f"{candidate.what}: not tried, {outcome.reason}: {first(outcome.detail)}"
        return warning(candidate.name, found, "run the check again")
    if isinstance(outcome, Failed) and outcome.reason in STALE:
        found = f"{candidate.what}: not tried, its diff ends as {outcome.reason}"
        return warning(candidate.name, found, "bring it up to date with the codebase")
    match candidate.expected:
        case Expected.SAME:
            return _judge_no_op(candidate, outcome, baseline, second, metric)
        case Expected.NOTHING:
            return _judge_empty(candidate, outcome)
        case Expected.NO_GAIN:
            return _judge_cheat(candidate, outcome, baseline, metric)


def _judge_no_op(
    candidate: Candidate, outcome: Outcome, baseline: Scored, second: Scored, metric: Metric
) -> Finding:
    name, what = candidate.name, candidate.what
    if not isinstance(outcome, Scored):
        return failed(
            name, f"{what}: {how_it_ended(outcome)}", "let patches that change nothing pass"
        )
    if outcome.metric == baseline.metric:
        return ok(name, f"{what}: the baseline's score to the last digit")
    best = _compare(candidate, outcome, baseline, metric)
    found = f"{what}: {metric.name} {_number(outcome)}, {abs(best.gain):.4f} from the baseline"
    if best.gain_error is not None and best.is_noise:
        return ok(name, f"{found}, within two standard errors of the difference")
    if abs(best.gain) <= 2 * abs(second.metric - baseline.metric):
        return warning(
            name,
            f"{found}: runs of one seed differ by more than the scorer's standard error",
            "compare ideas by repeated runs, or let AIRR_SEED decide everything random",
        )
    return failed(name, found, "let AIRR_SEED decide everything random: this one is no noise")


def _judge_empty(candidate: Candidate, outcome: Outcome) -> Finding:
    name, what = candidate.name, candidate.what
    if isinstance(outcome, Scored):
        return failed(
            name,
            f"{what}: scored {_number(outcome)}",
            "let the scorer take the checkpoint of the spec, and nothing that lay there before",
        )
    if outcome.reason is not Reason.NO_CHECKPOINT:
        found = f"{what}: {how_it_ended(outcome)}, where no_checkpoint was to be expected"
        return warning(name, found, "see that a program which saves nothing ends with status 0")
    return ok(name, f"{what}: {how_it_ended(outcome)}")


def _judge_cheat(
    candidate: Candidate, outcome: Outcome, baseline: Scored, metric: Metric
) -> Finding:
    name, what = candidate.name, candidate.what
    if not isinstance(outcome, Scored):
        return ok(name, f"{what}: {how_it_ended(outcome)}")
    best = _compare(candidate, outcome, baseline, metric)
    found = f"{what}: {metric.name} {_number(outcome)}, a gain of {best.gain:+.4f}"
    if best.gain > 0 and (best.gain_error is None or not best.is_noise):
        return failed(
            name, found, "the scorer lets it through: start no campaign before it is mended"
        )
    return ok(name, found if best.gain <= 0 else f"{found}, which is noise")


def _compare(candidate: Candidate, outcome: Scored, baseline: Scored, metric: Metric) -> Best:
    outcomes = {BASELINE: baseline, candidate.name: outcome}
    return best_ideas({candidate.name: candidate.idea()}, outcomes, metric, 1)[0]


def _number(outcome: Scored) -> str:
    error = outcome.standard_error
    return f"{outcome.metric:.4f}" + ("" if error is None else f" ± {error:.4f}")


def first(text: str) -> str:
    """Return the first line of a detail, and the last, where a traceback names the error."""
    lines = [line.strip() for line in text.strip().splitlines()] or ["no detail"]
    return lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"
