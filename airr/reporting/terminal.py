"""A report -> the lines that a terminal shows. Pure; nothing is computed here."""

from __future__ import annotations

from airr.display.tables import counted, number
from airr.reporting.tree import CampaignFacts, Cost, Fate, Report, RungFacts


def lines_of(report: Report) -> list[str]:
    """Return the headline of each campaign of a report, and where its ideas were lost."""
    return [line for campaign in report.campaigns for line in _campaign(campaign)]


def _campaign(facts: CampaignFacts) -> list[str]:
    fates = [f"{facts.fates[fate]} {fate}" for fate in Fate if facts.fates[fate]]
    steps = [f"{step.passed} {step.name}" for step in facts.funnel]
    return [
        f"{facts.name}: {facts.env}, {facts.strategy}; {facts.models}",
        f"  {best_line(facts)}",
        f"  {counted(len(facts.ideas), 'idea')}: {', '.join(fates) or 'none yet'}",
        f"  {' > '.join(steps)}",
        *(f"  {rung_line(rung)}" for rung in facts.screen),
        f"  {facts.cost.gpu_hours:.1f} GPU-hours, {usd_line(facts.cost)}",
    ]


def best_line(facts: CampaignFacts) -> str:
    """Return the best score beside the baseline, with the interval of the difference."""
    metric = facts.metric.name
    baseline = "the baseline has no score"
    if facts.baseline:
        baseline = f"baseline {number(facts.baseline.metric, facts.baseline.error)}"
    if facts.best_score is None:
        return f"{metric}: {baseline}; no idea has a score"
    of_seeds = f", mean of {facts.best_score.seeds} seeds" if facts.best_score.seeds > 1 else ""
    best = (
        f"best {number(facts.best_score.metric, facts.best_score.error)} ({facts.best}{of_seeds})"
    )
    gain = facts.best_gain
    if gain is None:
        return f"{metric}: {best}; {baseline}"
    if gain.low is None or gain.high is None:
        return f"{metric}: {best}, {baseline}; without errors, no difference can be told from noise"
    verdict = "within noise" if gain.is_noise else "better" if gain.value > 0 else "worse"
    interval = f"gain {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    return f"{metric}: {best}, {baseline}; {interval}: {verdict}"


def rung_line(rung: RungFacts) -> str:
    """Return what came of the ideas at a rung of the screen, and whether full runs agree."""
    counts = {
        "failed": rung.failed,
        "dropped": rung.dropped,
        "promoted": rung.promoted,
        "waiting": rung.waiting,
    }
    fates = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
    line = f"screen, {rung.name}: {rung.tried} tried, {fates}; {rung.gpu_hours:.1f} GPU-hours"
    if rung.rank_correlation is None:
        return line
    return (
        f"{line}; rank correlation with full runs {rung.rank_correlation:+.2f} "
        f"(Spearman, {rung.pairs} promoted, p={rung.p_value:.2g})"
    )


def usd_line(cost: Cost) -> str:
    """Return dollars as far as they are known."""
    if cost.unpriced == 0:
        return f"${cost.usd:.2f}"
    return f"${cost.usd:.2f} and {counted(cost.unpriced, 'call')} of unknown cost"
