"""The `stream` protocol: tokens are revealed one at a time, and the loss is computed here.

The model answers for a token before it sees it, so nothing it does with later tokens can help
it, and an answer that is not normalised is normalised here, so over-confidence costs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from candidate import Candidate
from numpy.typing import NDArray
from validation import Tokens, Validation
from verdict import CandidateFailed, Score

Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """`batch` sequences go side by side. The first `compared` are asked for whole as well; their
    loss must not be lower than the streamed one by more than `tolerance` (nats, of the mean).
    """

    batch: int
    compared: int
    tolerance: float


def score_stream(candidate: Candidate, validation: Validation, settings: StreamSettings) -> Score:
    """Measure the loss of a candidate on all sequences.

    Raises:
        CandidateFailed: it crashed, hung, answered with NaN, or reads later tokens.
    """
    sequences, vocab_size = validation.sequences, validation.vocab_size
    compared = sequences[: min(settings.compared, settings.batch)]
    parts: list[Losses] = []
    whole = np.nan
    for first in range(0, len(sequences), settings.batch):
        part = sequences[first : first + settings.batch]
        parts.append(_streamed_losses(candidate, part, vocab_size))
        if first == 0:
            whole = float(_whole_losses(candidate, compared, vocab_size).mean())
            streamed = float(parts[0][: len(compared)].mean())
            _check_agreement(streamed, whole, settings.tolerance)
    losses = np.concatenate(parts)
    of_sequences = losses.mean(axis=1)
    return Score(
        metric=float(losses.mean()),
        standard_error=float(of_sequences.std(ddof=1) / np.sqrt(len(of_sequences))),
        tokens=losses.size,
        sequences=len(losses),
        protocol="stream",
        streamed=float(losses[: len(compared)].mean()),
        whole=whole,
    )


def _streamed_losses(candidate: Candidate, sequences: Tokens, vocab_size: int) -> Losses:
    """Return the losses [B, T] of sequences [B, T + 1], revealed column by column."""
    inputs, targets = sequences[:, :-1], sequences[:, 1:]
    losses = np.empty(targets.shape)
    candidate.ask(inputs[:, :1], fresh=True)
    for position in range(inputs.shape[1]):
        logits = candidate.answer(len(inputs), vocab_size)
        if position + 1 < inputs.shape[1]:  # it works on the next one while we look at this one
            candidate.ask(inputs[:, position + 1 : position + 2], fresh=False)
        losses[:, position] = cross_entropy(logits, targets[:, position])
    return losses


def _whole_losses(candidate: Candidate, sequences: Tokens, vocab_size: int) -> Losses:
    """Return the losses of sequences that the model sees whole, as it did in training."""
    inputs, targets = sequences[:, :-1], sequences[:, 1:]
    candidate.ask(inputs, fresh=True)
    logits = candidate.answer(inputs.size, vocab_size)
    return cross_entropy(logits, targets.reshape(-1)).reshape(targets.shape)


def cross_entropy(logits: NDArray[np.float32], targets: Tokens) -> Losses:
    """Return the loss of each row in nats, normalising here what may not be normalised.

    Raises:
        CandidateFailed: a row holds NaN or infinity, or gives its target no probability.
    """
    rows = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):
        rows -= rows.max(axis=1, keepdims=True)
    of_targets = rows[np.arange(len(rows)), targets]
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = np.log(np.exp(rows, out=rows).sum(axis=1)) - of_targets
    bad = int((~np.isfinite(losses)).sum())
    if bad:
        raise CandidateFailed(
            "not_finite", f"{bad} of {len(losses)} predictions held NaN, infinity or zero chance"
        )
    return losses


def _check_agreement(streamed: float, whole: float, tolerance: float) -> None:
    if whole < streamed - tolerance:
        raise CandidateFailed(
            "not_causal",
            f"the loss is {streamed:.4f} where tokens are revealed one at a time, and "
            f"{whole:.4f} where the model sees the whole sequence: it reads later tokens, or "
            "computes something else with its cache than without",
        )
