"""A thinking budget in tokens -> the effort that stands for it where no budget is taken."""

from __future__ import annotations

EFFORTS = ((2048, "low"), (8192, "medium"))


def effort_of(thinking_tokens: int) -> str:
    """Return the effort for a budget; "low" is also the least that every model takes."""
    return next((effort for bound, effort in EFFORTS if thinking_tokens <= bound), "high")
