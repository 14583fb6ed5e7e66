"""Make the data of this environment, or find that it is there.

    python prepare.py SPEC.json

SPEC names four folders to fill: train_data, sealed_data, preflight_train, preflight_sealed.
scikit-learn's handwritten digits are 1,797 images of 8 x 8 pixels. The last 797 are sealed: other
people wrote them. What serves the preflight comes from the first 1,000 alone, since its errors are
shown to the model that wrote the patch.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

PARTS = {
    "train_data": slice(0, 1000),
    "sealed_data": slice(1000, None),
    "preflight_train": slice(0, 200),
    "preflight_sealed": slice(200, 300),
}
IN_LIBRARY = (
    "site-packages/sklearn/datasets/data/digits.csv.gz",
    "dist-packages/sklearn/datasets/data/digits.csv.gz",
)
"""Where the same images lie in a Python's library, labels included."""


def fill(folder: Path, pixels: np.ndarray, digits: np.ndarray) -> None:
    """Write a folder once; digits.npy comes last, so where it is, the folder is whole."""
    if (folder / "digits.npy").exists():
        print(f"{folder}: there")
        return
    folder.mkdir(parents=True, exist_ok=True)
    # what the sandbox hides from whoever is trained or scored on this data
    (folder / "hidden.txt").write_text("".join(f"{place}\n" for place in IN_LIBRARY))
    np.save(folder / "pixels.npy", pixels)
    np.save(folder / "digits.npy", digits)
    print(f"{folder}: {len(digits)} images")


if __name__ == "__main__":
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    images, labels = load_digits(return_X_y=True)
    for name, part in PARTS.items():
        fill(Path(spec[name]), images[part] / 16, labels[part])
