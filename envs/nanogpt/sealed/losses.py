"""Answers -> losses, computed here: a model's own account of its loss is never asked for."""

from __future__ import annotations

import numpy as np
from candidate import Candidate, Logits
from crew import over_rows
from numpy.typing import NDArray
from validation import Tokens
from verdict import CandidateFailed

Losses = NDArray[np.float64]


def streamed_losses(candidate: Candidate, sequences: Tokens, vocab_size: int) -> Losses:
    """Return the losses [B, T] of sequences [B, T + 1] that are revealed column by column.

    The model answers for a token before it sees it, so nothing it does with later tokens of the
    same sequence can help it.
    """
    inputs, targets = sequences[:, :-1], sequences[:, 1:]
    losses = np.empty(targets.shape)
    candidate.ask(inputs[:, :1], fresh=True)
    for position in range(inputs.shape[1]):
        logits = candidate.answer(len(inputs), vocab_size)
        if position + 1 < inputs.shape[1]:  # it works on the next one while we look at this one
            candidate.ask(inputs[:, position + 1 : position + 2], fresh=False)
        losses[:, position] = cross_entropy(logits, targets[:, position])
    return losses


def whole_losses(candidate: Candidate, tokens: Tokens, targets: Tokens, vocab_size: int) -> Losses:
    """Return the losses [B, T] where the model sees tokens [B, T] at once, as in training."""
    candidate.ask(tokens, fresh=True)
    logits = candidate.answer(tokens.size, vocab_size)
    return cross_entropy(logits, targets.reshape(-1)).reshape(targets.shape)


def show_whole(candidate: Candidate, sequences: Tokens, vocab_size: int, at_once: int) -> Losses:
    """Return the losses [N, T] of sequences [N, T + 1], so many of them shown whole at once."""
    parts = (sequences[first : first + at_once] for first in range(0, len(sequences), at_once))
    return np.concatenate(
        [whole_losses(candidate, part[:, :-1], part[:, 1:], vocab_size) for part in parts]
    )


def cross_entropy(logits: Logits, targets: Tokens) -> Losses:
    """Return the loss of each row in nats, normalising here what may not be normalised.

    What stands in `logits` is used up.

    Raises:
        CandidateFailed: a row holds NaN or infinity, or gives its target no probability.
    """
    parts = over_rows(lambda part: _losses(logits[part], targets[part]), *logits.shape)
    losses = np.concatenate(parts)
    bad = int((~np.isfinite(losses)).sum())
    if bad:
        raise CandidateFailed(
            "not_finite", f"{bad} of {len(losses)} predictions held NaN, infinity or zero chance"
        )
    return losses


def _losses(logits: Logits, targets: Tokens) -> Losses:
    """Return the loss of each row, NaN or infinity where its logits give none."""
    rows = _widened(logits)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        rows -= rows.max(axis=1, keepdims=True)
        of_targets = rows[np.arange(len(rows)), targets].astype(np.float64)
        return np.log(np.exp(rows, out=rows).sum(axis=1).astype(np.float64)) - of_targets


def _widened(logits: Logits) -> NDArray[np.float32]:
    """Return logits as float32, of which bfloat16 is the upper half."""
    if logits.dtype == np.float32:
        return logits
    wide = logits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)
