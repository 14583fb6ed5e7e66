"""The `stream` protocol: the score is that of tokens revealed one at a time.

What a sequence may tell about another one, and what a model may learn while it is scored, is
found by asking a second process, which knows nothing of the first, for some of the sequences.
"""

from __future__ import annotations

import numpy as np
from candidate import Candidate
from settings import Settings
from validation import Tokens

from losses import Losses, streamed_losses


def stream(candidate: Candidate, sequences: Tokens, vocab_size: int, settings: Settings) -> Losses:
    """Return the losses [N, T] of all sequences [N, T + 1], `batch` of them side by side."""
    parts = [
        streamed_losses(candidate, sequences[first : first + settings.batch], vocab_size)
        for first in range(0, len(sequences), settings.batch)
    ]
    return np.concatenate(parts)
