"""Answer for a trained candidate, in its sandbox: pixels on stdin, digits on stdout.

    python predict.py CODEBASE MODEL

The model is a pickle, and what a pickle does is up to who wrote it: so it is opened here, where
there are no labels, no network and no file to write, and never in the scorer.
"""

import os
import pickle
import sys
import traceback
from pathlib import Path

import numpy as np

BAD_MODEL_EXIT = 3
"""How this process ends where the model cannot be loaded."""


def main() -> None:
    """Load the model, and answer once."""
    codebase, model_file = sys.argv[1:]
    answers = os.dup(1)
    os.dup2(2, 1)  # what the candidate prints must not stand among its answers
    pixels = np.frombuffer(sys.stdin.buffer.read(), "<f8").reshape(-1, 64)
    sys.path.insert(0, codebase)
    try:
        model = pickle.loads(Path(model_file).read_bytes())  # noqa: S301 - see above
    except Exception:  # noqa: BLE001 - whatever it is, the model is not usable
        traceback.print_exc()
        sys.exit(BAD_MODEL_EXIT)
    digits = np.asarray(model.predict(pixels)).astype("<i8")
    with os.fdopen(answers, "wb") as file:
        file.write(digits.tobytes())


if __name__ == "__main__":
    main()
