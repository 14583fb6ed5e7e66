"""All sequences are asked for once, side by side; some of them again, of a process that is new."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from agreement import check_causality, check_independence
from audit import audit
from candidate import Candidate
from settings import Settings
from stream import stream
from validation import Validation
from verdict import Score

from losses import Losses, show_whole, streamed_losses

Start = Callable[[int], Candidate]
"""Start a predictor on the device of that number."""


def measure(
    start: Start, validation: Validation, settings: Settings, predictors: int, draw: random.Random
) -> Score:
    """Measure the loss of a candidate on all sequences.

    `draw` decides which of them are probed and compared; a candidate must not foresee it.

    Raises:
        CandidateFailed: it crashed, hung, answered with NaN, reads later tokens, or leans on what
            it was asked before.
    """
    losses = _all_losses(start, validation, settings, predictors, draw)
    # never all of them: in other company, a model that looks at the company answers otherwise
    count = min(settings.compared, max(1, len(losses) // 2))
    sample = draw.sample(range(len(losses)), count)
    if sample:
        with start(0) as stranger:
            _compare(stranger, validation, sample, losses[sample], settings)
    of_sequences = losses.mean(axis=1)
    return Score(
        metric=float(losses.mean()),
        standard_error=float(of_sequences.std(ddof=1) / np.sqrt(len(of_sequences))),
        tokens=losses.size,
        sequences=len(losses),
        protocol=settings.protocol,
        predictors=predictors,
        compared=len(sample),
    )


def _all_losses(
    start: Start, validation: Validation, settings: Settings, predictors: int, draw: random.Random
) -> Losses:
    """Return the losses of all sequences in their order, however many predictors share them."""
    shares = np.array_split(validation.sequences, predictors)
    draws = [random.Random(draw.getrandbits(64)) for _ in shares]

    def of_share(number: int) -> Losses:
        with start(number) as candidate:
            share, vocab_size = shares[number], validation.vocab_size
            if settings.protocol == "audit":
                return audit(candidate, share, vocab_size, settings, draws[number])
            return stream(candidate, share, vocab_size, settings)

    with ThreadPoolExecutor(predictors) as pool:
        return np.concatenate(list(pool.map(of_share, range(predictors))))


def _compare(
    stranger: Candidate,
    validation: Validation,
    sample: list[int],
    first: Losses,
    settings: Settings,
) -> None:
    """Ask a process that has seen no others for some sequences, whose losses were `first`.

    They are streamed before they are shown whole: no answer may come from having seen its end.
    """
    sequences, vocab_size = validation.sequences[sample], validation.vocab_size
    streamed = streamed_losses(stranger, sequences, vocab_size)
    if settings.protocol == "stream":
        check_independence(first, streamed, settings.tolerance)
        return
    check_causality(streamed, first, settings.tolerance)
    whole = show_whole(stranger, sequences, vocab_size, settings.whole)
    check_independence(first, whole, settings.tolerance)
