"""Fit the pipeline to the training images, and save it."""

import os
import pickle
from pathlib import Path

import numpy as np
from pipeline import make_pipeline


def training_data(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels [N, 64] and digits [N]."""
    return np.load(folder / "pixels.npy"), np.load(folder / "digits.npy")


def save(model: object, folder: Path) -> None:
    """Put the model in place whole or not at all: the clock may end us at any moment."""
    beside = folder / "model.partial"
    beside.write_bytes(pickle.dumps(model))
    beside.replace(folder / "model.pickle")


def main() -> None:
    """Train with the seed, the data and the output folder that the environment names."""
    pixels, digits = training_data(Path(os.environ["AIRR_DATA"]))
    model = make_pipeline(int(os.environ["AIRR_SEED"]))
    model.fit(pixels, digits)
    print(f"accuracy on the {len(digits)} training images: {model.score(pixels, digits):.4f}")
    save(model, Path(os.environ["AIRR_OUT"]))


if __name__ == "__main__":
    main()
