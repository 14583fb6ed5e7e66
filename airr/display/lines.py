"""What happens in a campaign -> a line for each event, as a batch log shows it."""

from __future__ import annotations

from airr.display.tables import counted, gain_text, number, usd_text
from airr.estimates import settled
from airr.head import Head
from airr.records import Dropped, Failed, Wanted, Withheld
from airr.summary import best_ideas, together
from airr.titles import title_of

LINE_TITLE = 80
"""Characters of an idea's title in a line of a log."""


def epoch_line(head: Head, epoch: int) -> str:
    """Return that an epoch has its ideas, and what the campaign has come to until then."""
    book, config = head.book, head.config
    best = best_ideas(book.ideas, settled(book.outcomes), config.env.metric, 1)
    lead = f"; best gain {gain_text(best[0])}, {best[0].idea.id}" if best else ""
    spent = f"{book.gpu_hours():.1f} GPU-hours"
    if not config.llm.is_offline:
        spent += f", {usd_text(together(book.spends().values()))}"
    ideas = counted(len(book.ideas_of(epoch)), "idea")
    return f"epoch {epoch + 1} of {config.search.epochs}: {ideas}{lead}; {spent} so far"


def outcome_line(head: Head, wanted: Wanted) -> str:
    """Return what became of an idea with one seed, on one line."""
    idea_id, repeat = wanted
    outcome = head.book.outcomes[wanted]
    texts = {idea.id: idea.text for idea in head.book.ideas.values()}
    what = "the unmodified codebase"
    if idea_id in texts:
        what = title_of(idea_id, texts).within(LINE_TITLE)
    if repeat:
        idea_id, what = f"{idea_id} again", f"with seed {head.config.seed + repeat}"
    if isinstance(outcome, Failed):
        return f"{idea_id}  failed ({outcome.reason} while {outcome.stage})  {what}"
    if isinstance(outcome, Dropped):
        return f"{idea_id}  dropped ({outcome.reason} while {outcome.stage})  {what}"
    metric = head.config.env.metric
    if isinstance(outcome, Withheld):
        return f"{idea_id}  held back until verified: {outcome.detail}  {what}"
    return f"{idea_id}  {metric.name} {number(outcome.metric, outcome.standard_error)}  {what}"
