"""What reinforcement learning came to, epoch by epoch, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table

from airr.config import Metric
from airr.policy.progress import Epoch
from airr.reinforcement import Reinforcement

THINK = "think"
COLUMNS: Sequence[tuple[str, Callable[[Epoch], float | None], str]] = (
    ("mean", lambda one: one.mean, ".3f"),
    ("scored", lambda one: one.executed_mean, ".4f"),
    ("rate", lambda one: one.execution_rate, ".0%"),
    ("max", lambda one: one.maximum, ".4f"),
    ("best", lambda one: one.best_so_far, ".4f"),
    ("distinct", lambda one: one.diversity.distinct, "d"),
    ("top 2", lambda one: one.diversity.top_share, ".0%"),
    (THINK, lambda one: one.thinking_tokens, ".0f"),
    ("entropy", lambda one: one.update and one.update.entropy, ".3f"),
    ("KL", lambda one: one.update and one.update.kl, ".3f"),
)
LEGEND = (
    "mean: of all rewards, failures as 0; scored: of scored ideas; rate: their share\n"
    "distinct: different ideas; top 2: the share of the two commonest kinds\n"
    "entropy, and KL from the model as it came: nats per token, before the update"
)


def epochs_table(epochs: Sequence[Epoch], metric: Metric) -> Table:
    """Return a row for each epoch: is the mean up, is the maximum, and do the ideas converge."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), collapse_padding=True)
    table.title, table.title_justify = f"rewards of {metric.name}", "left"
    table.caption, table.caption_justify = LEGEND, "left"
    table.add_column("epoch", no_wrap=True)
    thinks = any(one.thinking_tokens for one in epochs)
    columns = [column for column in COLUMNS if thinks or column[0] != THINK]
    for title, _, _ in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for one in epochs:
        cells = (_cell(value(one), form) for _, value, form in columns)
        table.add_row(str(one.epoch + 1), *cells)
    return table


def policy_line(campaign: Reinforcement) -> str:
    """Return what the policy does at this moment, and what its last update was like."""
    updates = campaign.book.updates
    doing = campaign.stages.doing or "waits for its ideas to be executed"
    if not updates:
        return doing
    last = updates[max(updates)]
    numbers = [f"mean reward {last.reward_mean:.4f}"]
    if last.entropy is not None:
        numbers.append(f"entropy {last.entropy:.3f}")
    return f"{doing}; epoch {last.epoch + 1}: {', '.join(numbers)}"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
