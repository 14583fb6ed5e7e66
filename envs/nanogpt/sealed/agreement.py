"""Losses of the same tokens, asked for twice in different ways: what they may differ by."""

from __future__ import annotations

import numpy as np
from verdict import CandidateFailed

from losses import Losses


def check_independence(first: Losses, again: Losses, tolerance: float) -> None:
    """Refuse a model whose answers for a sequence depend on anything but that sequence.

    Not only the mean counts: a model that was fed other sequences before, or beside, differs in
    many of its answers. By no more than their mean difference can it have gained.
    """
    apart = float(np.abs(again - first).mean())
    if apart <= tolerance:
        return
    raise CandidateFailed(
        "not_causal",
        f"its loss on {len(first)} sequences was {first.mean():.4f} among all the others, and "
        f"{again.mean():.4f} where a process that has seen no others was asked for them; its "
        f"answers differ by {apart:.4f} on average: they depend on other sequences, on what was "
        "asked before, on the clock or on chance",
    )


def check_causality(streamed: Losses, whole: Losses, tolerance: float) -> None:
    """Refuse a model that does better where it sees whole sequences than token by token."""
    if whole.mean() >= streamed.mean() - tolerance:
        return
    raise CandidateFailed(
        "not_causal",
        f"the loss is {streamed.mean():.4f} where tokens are revealed one at a time, and "
        f"{whole.mean():.4f} where the model sees the whole sequence: it reads later tokens, or "
        "computes something else with its cache than without",
    )
