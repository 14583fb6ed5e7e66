"""The `stream` protocol: the score is that of tokens revealed one at a time.

Only then are some sequences shown whole, to tell a model that reads later tokens. What a sequence
may tell about another one, and what a model may learn while it is scored, is found by asking a
second process, which knows nothing of the first (protocols.py).
"""

from __future__ import annotations

import numpy as np
from agreement import check_causality
from candidate import Candidate
from settings import Settings
from validation import Tokens

from losses import Losses, show_whole, streamed_losses


def stream(candidate: Candidate, sequences: Tokens, vocab_size: int, settings: Settings) -> Losses:
    """Return the losses [N, T] of all sequences [N, T + 1], `batch` of them side by side.

    Raises:
        CandidateFailed: the model does better where it sees whole sequences.
    """
    parts = [
        streamed_losses(candidate, sequences[first : first + settings.batch], vocab_size)
        for first in range(0, len(sequences), settings.batch)
    ]
    losses = np.concatenate(parts)
    few = slice(settings.whole)
    whole = show_whole(candidate, sequences[few], vocab_size, settings.whole)
    check_causality(losses[few], whole, settings.tolerance)
    return losses
