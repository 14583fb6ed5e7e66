"""The `audit` protocol: sequences are shown whole, and their causality is probed.

Some sequences are shown again with a foreign ending behind a random position: the answers before
it must stay what they were. A model that tells probes from sequences is found by the second
process, to which the same tokens are revealed one at a time (protocols.py).
"""

from __future__ import annotations

import random

import numpy as np
from candidate import Candidate
from settings import Settings
from validation import Tokens
from verdict import CandidateFailed

from losses import Losses, whole_losses


def audit(
    candidate: Candidate,
    sequences: Tokens,
    vocab_size: int,
    settings: Settings,
    draw: random.Random,
) -> Losses:
    """Return the losses [N, T] of all sequences [N, T + 1], `whole` of them at once.

    Raises:
        CandidateFailed: an answer depends on what follows it.
    """
    parts: list[Losses] = []
    starts = range(0, len(sequences), settings.whole)
    probed = frozenset(draw.sample(starts, min(settings.probes, len(starts))))
    for first in starts:
        batch = sequences[first : first + settings.whole]
        parts.append(whole_losses(candidate, batch[:, :-1], batch[:, 1:], vocab_size))
        if first in probed:
            foreign = sequences[draw.choices(range(len(sequences)), k=len(batch))]
            _probe(candidate, batch, foreign, parts[-1], vocab_size, settings, draw)
    return np.concatenate(parts)


def _probe(
    candidate: Candidate,
    batch: Tokens,
    foreign: Tokens,
    losses: Losses,
    vocab_size: int,
    settings: Settings,
    draw: random.Random,
) -> None:
    """Show sequences with other endings behind a random position and compare what stands before.

    On GPUs answers differ by the rounding of bf16 where a kernel takes another course; a single
    token's loss then moves by some hundredths, and their mean by far less.
    """
    length = batch.shape[1] - 1
    kept = draw.randrange(1, length)
    spliced = np.concatenate([batch[:, :kept], foreign[:, kept:length]], axis=1)
    again = whole_losses(candidate, spliced, batch[:, 1:], vocab_size)
    moved = np.abs(again - losses)[:, :kept]
    if moved.max() > settings.probe_tolerance or moved.mean() > settings.tolerance:
        raise CandidateFailed(
            "not_causal",
            f"with other tokens behind position {kept}, losses before it moved by up to "
            f"{moved.max():.4f} and {moved.mean():.4f} on average: the model reads later tokens",
        )
